import CKernels

/// One step of AdamW as `torch.optim.AdamW` takes it, `step` counted from 1:
/// p *= 1 - lr wd;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
/// p -= lr / (1 - b1^step) m / (sqrt(v) / sqrt(1 - b2^step) + epsilon),  g = gradient * gradientScale.
public func adamW(
  parameters: MutableFloats, gradients: Floats, m: MutableFloats, v: MutableFloats, count: Int,
  learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
  step: Int, gradientScale: Float = 1, workers: Workers
) {
  precondition(step >= 1)
  func all(_ x: Double) -> SIMD16<Float> { .init(repeating: Float(x)) }
  let stepSize = all(-learningRate / (1 - ml_scalar_pow(beta1, Double(step))))
  let inverseRoot = all(1 / (1 - ml_scalar_pow(beta2, Double(step))).squareRoot())
  let decay = all(1 - learningRate * weightDecay)
  let (b1, c1, b2, c2) = (all(beta1), all(1 - beta1), all(beta2), all(1 - beta2))
  let (small, factor) = (all(epsilon), SIMD16<Float>(repeating: gradientScale))
  workers.forRanges(count, grain: elementGrain) { range in
    let first = range.lowerBound
    let (p, g, mean, square) = (parameters + first, gradients + first, m + first, v + first)
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let gradient = load(g + i, n) * factor
      let mi = ml_madd(load(mean + i, n), b1, gradient * c1)
      let vi = ml_madd(load(square + i, n), b2, gradient * gradient * c2)
      store(mean + i, mi, n)
      store(square + i, vi, n)
      let denominator = ml_madd(ml_sqrt(vi), inverseRoot, small)
      store(p + i, ml_madd(mi / denominator, stepSize, load(p + i, n) * decay), n)
    }
    eachVector(range.count, step)
  }
}
