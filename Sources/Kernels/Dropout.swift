import CKernels

/// out (= or +=) x / (1 - rate) where element i is kept, else 0. Element i is kept iff the 32-bit
/// random number of (key, offset + i) is at least rate * 2^32, so no mask is stored: the same call
/// on the gradient is the backward pass. In place is fine.
public func dropout(
  _ out: MutableFloats, _ x: Floats, count: Int, rate: Float, key: UInt64, offset: UInt64,
  accumulate: Bool = false, workers: Workers
) {
  precondition(rate >= 0 && rate < 1)
  let threshold = UInt32(Double(rate) * 4_294_967_296)
  let mixed = ml_mix64(key &+ 0x9e37_79b9_7f4a_7c15)
  let scale = 1 / (1 - rate)
  workers.forRanges(count, grain: elementGrain) { range in
    let first = range.lowerBound
    let start = offset &+ UInt64(first)
    if accumulate {
      ml_dropout(out + first, x + first, range.count, mixed, start, threshold, scale, 1)
    } else {
      ml_dropout(out + first, x + first, range.count, mixed, start, threshold, scale, 0)
    }
  }
}
