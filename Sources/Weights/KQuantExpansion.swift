// ggml's K-quants → Float (ggml-quants.c, `dequantize_row_q*_K`): super-blocks of 256 columns in parts of
// 16 or 32, each with a quantised scale. A part is one loop without branches, for the vectoriser.

/// 16 scale bytes (low half scale, high half minimum), 64 bytes of 2-bit numbers, f16 d, f16 minimum.
func expandQ2K(_ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks {
    let base = source + 84 &* block
    let scales = base.assumingMemoryBound(to: UInt8.self)
    let d = half(base, 80)
    let minimum = half(base, 82)
    for part in 0..<16 {
      // Of each 128 columns, parts 2j and 2j + 1 take bits 2j of bytes 0…15 and 16…31.
      let q = scales + (16 &+ 32 &* (part / 8) &+ 16 &* (part % 2))
      let shift = part % 8 / 2 &* 2
      let scale = d * Float(scales[part] & 15)
      let offset = minimum * Float(scales[part] >> 4)
      let x = out + (256 &* block &+ 16 &* part)
      for l in 0..<16 { x[l] = scale * Float(bits(q[l], shift, 3)) - offset }
    }
  }
}

/// 32 bytes of high bits (0: subtract 4), 64 bytes of 2-bit numbers, 12 bytes of 6-bit scales, f16 d.
func expandQ3K(_ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks {
    let base = source + 110 &* block
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let scales = bytes + 96
    let d = half(base, 108)
    for part in 0..<16 {
      // Scales: low 4 bits in the halves of bytes 0…7, high 2 bits in the quarters of bytes 8…11.
      let low = bits(scales[part % 8], part / 8 &* 4, 15)
      let high = bits(scales[8 &+ part % 4], part / 4 &* 2, 3)
      let scale = d * Float((low | (high << 4)) &- 32)
      let q = bytes + (32 &+ 32 &* (part / 8) &+ 16 &* (part % 2))
      let mask = bytes + 16 &* (part % 2)
      let shift = part % 8 / 2 &* 2
      let bit = part / 2
      let x = out + (256 &* block &+ 16 &* part)
      for l in 0..<16 {
        let value = bits(q[l], shift, 3) | (bits(mask[l], bit, 1) << 2)
        x[l] = scale * Float(value &- 4)
      }
    }
  }
}

/// f16 d, f16 minimum, 12 bytes of scales and minima, 128 bytes of two 4-bit numbers.
func expandQ4K(_ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks {
    let base = source + 144 &* block
    let d = half(base, 0)
    let minimum = half(base, 2)
    let packed = (base + 4).assumingMemoryBound(to: UInt8.self)
    for part in 0..<8 {
      let factors = scaleAndMinimum(packed, part)
      let scale = d * factors.scale
      let offset = minimum * factors.minimum
      let q = packed + (12 &+ 32 &* (part / 2))
      let shift = part % 2 &* 4
      let x = out + (256 &* block &+ 32 &* part)
      for l in 0..<32 { x[l] = scale * Float(bits(q[l], shift, 15)) - offset }
    }
  }
}

/// As Q4_K, with 32 bytes of fifth bits before the 4-bit numbers: bit j of byte l for part j.
func expandQ5K(_ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks {
    let base = source + 176 &* block
    let d = half(base, 0)
    let minimum = half(base, 2)
    let packed = (base + 4).assumingMemoryBound(to: UInt8.self)
    let fifth = packed + 12
    for part in 0..<8 {
      let factors = scaleAndMinimum(packed, part)
      let scale = d * factors.scale
      let offset = minimum * factors.minimum
      let q = packed + (44 &+ 32 &* (part / 2))
      let shift = part % 2 &* 4
      let x = out + (256 &* block &+ 32 &* part)
      for l in 0..<32 {
        let value = bits(q[l], shift, 15) | (bits(fifth[l], part, 1) << 4)
        x[l] = scale * Float(value) - offset
      }
    }
  }
}

/// 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed scales, f16 d: x = d·scale·(q − 32).
func expandQ6K(_ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>) {
  for block in 0..<blocks {
    let base = source + 210 &* block
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let scales = (base + 192).assumingMemoryBound(to: Int8.self)
    let d = half(base, 208)
    for part in 0..<16 {
      // Quarter j of each 128 columns: low bits in bytes 32 (j mod 2) …, high bits at 2j.
      let (number, quarter, side) = (part / 8, part % 8 / 2, part % 2)
      let low = bytes + (64 &* number &+ 32 &* (quarter % 2) &+ 16 &* side)
      let high = bytes + (128 &+ 32 &* number &+ 16 &* side)
      let lowShift = quarter / 2 &* 4
      let highShift = quarter &* 2
      let scale = d * Float(scales[part])
      let x = out + (256 &* block &+ 16 &* part)
      for l in 0..<16 {
        let value = bits(low[l], lowShift, 15) | (bits(high[l], highShift, 3) << 4)
        x[l] = scale * Float(value &- 32)
      }
    }
  }
}

/// The bits of a byte from `shift` on that `mask` keeps.
@inline(__always)
private func bits(_ byte: UInt8, _ shift: Int, _ mask: Int32) -> Int32 {
  (Int32(byte) &>> Int32(truncatingIfNeeded: shift)) & mask
}

/// The 6-bit scale and minimum of part 0…7 among the 12 bytes that Q4_K and Q5_K pack them in.
@inline(__always)
private func scaleAndMinimum(
  _ packed: UnsafePointer<UInt8>, _ part: Int
) -> (scale: Float, minimum: Float) {
  if part < 4 { return (Float(packed[part] & 63), Float(packed[part &+ 4] & 63)) }
  let low = packed[part &+ 4]
  let scale = (low & 15) | ((packed[part &- 4] >> 6) << 4)
  let minimum = (low >> 4) | ((packed[part] >> 6) << 4)
  return (Float(scale), Float(minimum))
}
