import CKernels

/// out[T,W] = (x - mean) / sqrt(variance + epsilon) * weight + bias, row by row. In place is fine.
public func layerNormForward(
  _ out: MutableFloats, _ x: Floats, _ weight: Floats, _ bias: Floats, tokens: Int, width: Int,
  epsilon: Float, workers: Workers
) {
  workers.forRanges(tokens, grain: normRows) { rows in
    for t in rows {
      layerNormRow(out + t * width, x + t * width, weight, bias, width, epsilon)
    }
  }
}

private func layerNormRow(
  _ out: MutableFloats, _ x: Floats, _ weight: Floats, _ bias: Floats, _ width: Int,
  _ epsilon: Float
) {
  var sums = SIMD16<Float>.zero
  @inline(__always) func add(_ i: Int, _ n: Int) { sums += load(x + i, n) }
  eachVector(width, add)
  let mean = SIMD16<Float>(repeating: ml_sum(sums) / Float(width))
  var squares = SIMD16<Float>.zero
  @inline(__always) func addSquare(_ i: Int, _ n: Int) {
    let d = ml_first(load(x + i, n) - mean, n)
    squares = ml_madd(d, d, squares)
  }
  eachVector(width, addSquare)
  let r = SIMD16<Float>(
    repeating: 1 / (ml_sum(squares) / Float(width) + epsilon).squareRoot())
  @inline(__always) func write(_ i: Int, _ n: Int) {
    let normal = (load(x + i, n) - mean) * r
    store(out + i, ml_madd(normal, load(weight + i, n), load(bias + i, n)), n)
  }
  eachVector(width, write)
}
