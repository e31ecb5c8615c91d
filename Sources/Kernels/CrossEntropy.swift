import CKernels

/// losses[T] = log sum exp(logits[t]) - logits[t, target], in Double; 0 where the target is -1
/// (ignored). With a `scale` the logits [T,V] become their gradient, (softmax - onehot) * scale, and
/// 0 in ignored rows; without one they stay. `losses` nil: not wanted.
public func crossEntropy(
  logits: MutableFloats, targets: UnsafePointer<Int32>, losses: UnsafeMutablePointer<Double>?,
  scale: Float?, tokens: Int, vocabulary: Int, workers: Workers
) {
  workers.forRanges(tokens, grain: 4) { rows in
    for t in rows {
      let row = logits + t * vocabulary
      let target = Int(targets[t])
      precondition(target >= -1 && target < vocabulary)
      guard target >= 0 else {
        losses?[t] = 0
        if scale != nil { row.update(repeating: 0, count: vocabulary) }
        continue
      }
      let wanted = row[target]
      let largest = maximum(row, vocabulary)
      let sum =
        scale == nil
        ? exponentialSum(row, largest, vocabulary) : exponentials(row, largest, vocabulary)
      losses?[t] = ml_scalar_log(sum) + Double(largest) - Double(wanted)
      guard let scale else { continue }
      scaleRow(row, Float(Double(scale) / sum), vocabulary)
      row[target] -= scale
    }
  }
}

/// Losses alone: the logits stay.
public func crossEntropyForward(
  losses: UnsafeMutablePointer<Double>, logits: Floats, targets: UnsafePointer<Int32>, tokens: Int,
  vocabulary: Int, workers: Workers
) {
  crossEntropy(
    logits: MutableFloats(mutating: logits), targets: targets, losses: losses, scale: nil,
    tokens: tokens, vocabulary: vocabulary, workers: workers)
}

/// The largest of x (count > 0); NaNs are passed over.
func maximum(_ x: Floats, _ count: Int) -> Float {
  var a = SIMD16<Float>(repeating: -.infinity)
  var b = a
  var i = 0
  while i + 32 <= count {
    a = ml_max(ml_load(x + i), a)
    b = ml_max(ml_load(x + i + 16), b)
    i += 32
  }
  var result = ml_largest(ml_max(a, b))
  while i < count {
    result = x[i] > result ? x[i] : result
    i += 1
  }
  return result
}

func maximum(_ x: MutableFloats, _ count: Int) -> Float { maximum(Floats(x), count) }

/// Runs of a long row's sum: f32 lanes within, Double across.
private let sumRun = 4096

private func exponentialSum(_ x: MutableFloats, _ largest: Float, _ count: Int) -> Double {
  var total = 0.0
  for first in stride(from: 0, to: count, by: sumRun) {
    var sums = SIMD16<Float>.zero
    let p = x + first
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let e = ml_exp(load(p + i, n) - largest)
      sums += ml_first(e, n)
    }
    eachVector(min(sumRun, count - first), step)
    total += Double(ml_sum(sums))
  }
  return total
}

/// x = exp(x - largest), and the sum of it.
private func exponentials(_ x: MutableFloats, _ largest: Float, _ count: Int) -> Double {
  var total = 0.0
  for first in stride(from: 0, to: count, by: sumRun) {
    var sums = SIMD16<Float>.zero
    let p = x + first
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let e = ml_exp(load(p + i, n) - largest)
      store(p + i, e, n)
      sums += ml_first(e, n)
    }
    eachVector(min(sumRun, count - first), step)
    total += Double(ml_sum(sums))
  }
  return total
}
