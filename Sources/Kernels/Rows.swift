import CKernels

/// out[count, width] = table[ids]: embeddings, from a dense or a narrow table.
public func gatherRows(
  _ out: MutableFloats, table: any RowPanels, ids: UnsafePointer<Int32>, count: Int,
  workers: Workers
) {
  let width = table.columns
  workers.forRanges(count, grain: 64) { range in
    for i in range {
      let id = Int(ids[i])
      precondition(id >= 0 && id < table.rows)
      let to = out + i * width
      let row = table.panel(id..<id + 1, scratch: to)
      if row != Floats(to) { to.update(from: row, count: width) }
    }
  }
}

/// dTable[ids] += dOut[count, width], each element in the order of the ids.
public func scatterAddRows(
  _ dTable: MutableFloats, _ dOut: Floats, ids: UnsafePointer<Int32>, count: Int, width: Int,
  workers: Workers
) {
  workers.forRanges(width, grain: 256) { columns in
    for i in 0..<count {
      let (to, from) = (dTable + Int(ids[i]) * width, dOut + i * width)
      for c in columns { to[c] += from[c] }
    }
  }
}

// MARK: - Narrow types. Rounding is to nearest, ties to even.

public func convertBF16ToFloat(_ out: MutableFloats, _ x: UnsafePointer<UInt16>, count: Int) {
  ml_bf16_to_f32(out, x, count)
}

public func convertFloatToBF16(_ out: UnsafeMutablePointer<UInt16>, _ x: Floats, count: Int) {
  ml_f32_to_bf16(out, x, count)
}

public func convertF16ToFloat(_ out: MutableFloats, _ x: UnsafePointer<UInt16>, count: Int) {
  ml_f16_to_f32(out, x, count)
}

public func convertFloatToF16(_ out: UnsafeMutablePointer<UInt16>, _ x: Floats, count: Int) {
  ml_f32_to_f16(out, x, count)
}

// MARK: - Dropout

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
