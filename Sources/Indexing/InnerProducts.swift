/// The inner product of `left` and `right`, [count] each, summed in an order that depends on
/// `count` alone: 64 partial sums, folded in halves, then the tail.
@inline(__always)
func innerProduct(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int
) -> Float {
  var sums = (SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>())
  let left16 = UnsafeRawPointer(left)
  let right16 = UnsafeRawPointer(right)
  @inline(__always) func product(_ offset: Int) -> SIMD16<Float> {
    left16.loadUnaligned(fromByteOffset: 4 * offset, as: SIMD16<Float>.self)
      * right16.loadUnaligned(fromByteOffset: 4 * offset, as: SIMD16<Float>.self)
  }
  var index = 0
  while index + 64 <= count {
    sums.0 += product(index)
    sums.1 += product(index + 16)
    sums.2 += product(index + 32)
    sums.3 += product(index + 48)
    index += 64
  }
  while index + 16 <= count {
    sums.0 += product(index)
    index += 16
  }
  let sum16 = (sums.0 + sums.1) + (sums.2 + sums.3)
  let sum8 = sum16.lowHalf + sum16.highHalf
  let sum4 = sum8.lowHalf + sum8.highHalf
  var sum = (sum4[0] + sum4[2]) + (sum4[1] + sum4[3])
  while index < count {
    sum += left[index] * right[index]
    index += 1
  }
  return sum
}

/// out[r] = keys[r] · query, for r in 0 ..< rows; keys [rows, dimension], query [dimension].
func innerProducts(
  _ out: UnsafeMutablePointer<Float>, _ keys: UnsafePointer<Float>, _ query: UnsafePointer<Float>,
  rows: Int, dimension: Int, threads: Int
) {
  for row in 0..<rows { out[row] = innerProduct(keys + row * dimension, query, dimension) }
}
