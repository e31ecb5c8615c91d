// Stored numbers → Float. Plain loops over raw pointers, one per storage type, written so that the
// compiler vectorises them with and without -march: sources are read unaligned (a safetensors header
// may have any length), and half precision is converted by integer arithmetic, since the baseline
// x86-64 instruction set has no f16 and would call a library function per element.

/// IEEE half → single, exact for every input, subnormals, infinities and NaN included.
///
/// The exponent and mantissa are moved into place and the product with 2^112 corrects the bias; it
/// also normalises subnormals. An all-ones exponent is then put back by hand.
@inline(__always)
func floatFromHalf(_ half: UInt16) -> Float {
  let bits = UInt32(half)
  let magnitude = (bits & 0x7fff) << 13
  let scaled = (Float(bitPattern: magnitude) * Float(bitPattern: 0x7780_0000)).bitPattern
  let special: UInt32 = magnitude >= 0x0f80_0000 ? 0x7f80_0000 : 0
  return Float(bitPattern: scaled | special | ((bits & 0x8000) << 16))
}

/// Expands `count` elements at `source` into `out`.
/// - Parameter count: a multiple of the storage type's block size.
func expandElements(
  _ storage: StorageType, _ source: UnsafeRawPointer, _ count: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  let blocks = count / storage.blockSize
  switch storage {
  case .f32: UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: 4 * count)
  case .f16: expandF16(source, count, out)
  case .bf16: expandBF16(source, count, out)
  case .q8_0: expandQ80(source, blocks, out)
  case .q4_0: expandQ40(source, blocks, out)
  case .q4_1: expandQ41(source, blocks, out)
  case .q5_0: expandQ50(source, blocks, out)
  case .q5_1: expandQ51(source, blocks, out)
  case .q2_K: expandQ2K(source, blocks, out)
  case .q3_K: expandQ3K(source, blocks, out)
  case .q4_K: expandQ4K(source, blocks, out)
  case .q5_K: expandQ5K(source, blocks, out)
  case .q6_K: expandQ6K(source, blocks, out)
  }
}

/// The half that lies `offset` bytes into a block.
@inline(__always)
func half(_ base: UnsafeRawPointer, _ offset: Int) -> Float {
  floatFromHalf(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
}

private func expandF16(
  _ source: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<Float>
) {
  for i in 0..<count {
    out[i] = floatFromHalf(source.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self))
  }
}

private func expandBF16(
  _ source: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<Float>
) {
  for i in 0..<count {
    let bits = source.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self)
    out[i] = Float(bitPattern: UInt32(bits) << 16)
  }
}

private func expandQ80(
  _ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>
) {
  for block in 0..<blocks {
    let base = source + 34 &* block
    let x = out + 32 &* block
    let d = half(base, 0)
    let q = (base + 2).assumingMemoryBound(to: Int8.self)
    for j in 0..<32 { x[j] = d * Float(q[j]) }
  }
}

private func expandQ40(
  _ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>
) {
  for block in 0..<blocks {
    let base = source + 18 &* block
    let x = out + 32 &* block
    let d = half(base, 0)
    let q = (base + 2).assumingMemoryBound(to: UInt8.self)
    for j in 0..<16 {
      let pair = Int32(q[j])
      x[j] = d * Float((pair & 15) &- 8)
      x[j &+ 16] = d * Float((pair >> 4) &- 8)
    }
  }
}

private func expandQ41(
  _ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>
) {
  for block in 0..<blocks {
    let base = source + 20 &* block
    let x = out + 32 &* block
    let d = half(base, 0)
    let m = half(base, 2)
    let q = (base + 4).assumingMemoryBound(to: UInt8.self)
    for j in 0..<16 {
      let pair = Int32(q[j])
      x[j] = d * Float(pair & 15) + m
      x[j &+ 16] = d * Float(pair >> 4) + m
    }
  }
}

private func expandQ50(
  _ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>
) {
  for block in 0..<blocks {
    let base = source + 22 &* block
    let x = out + 32 &* block
    let d = half(base, 0)
    let fifth = base.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
    let q = (base + 6).assumingMemoryBound(to: UInt8.self)
    for j in 0..<16 {
      let (low, high) = fiveBits(q[j], fifth, j)
      x[j] = d * Float(low &- 16)
      x[j &+ 16] = d * Float(high &- 16)
    }
  }
}

private func expandQ51(
  _ source: UnsafeRawPointer, _ blocks: Int, _ out: UnsafeMutablePointer<Float>
) {
  for block in 0..<blocks {
    let base = source + 24 &* block
    let x = out + 32 &* block
    let d = half(base, 0)
    let m = half(base, 2)
    let fifth = base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    let q = (base + 8).assumingMemoryBound(to: UInt8.self)
    for j in 0..<16 {
      let (low, high) = fiveBits(q[j], fifth, j)
      x[j] = d * Float(low) + m
      x[j &+ 16] = d * Float(high) + m
    }
  }
}

/// Columns j and j + 16 of a block: a byte's halves with bits j and j + 16 of `fifth` above them.
@inline(__always)
private func fiveBits(_ pair: UInt8, _ fifth: UInt32, _ j: Int) -> (low: Int32, high: Int32) {
  let shifted = Int32(truncatingIfNeeded: fifth >> UInt32(j))
  let low = (Int32(pair) & 15) | ((shifted & 1) << 4)
  let high = (Int32(pair) >> 4) | (((shifted >> 16) & 1) << 4)
  return (low, high)
}
