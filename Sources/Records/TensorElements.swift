import Safetensors
import ShardIO

extension ShardTensor {
  /// The elements where they lie, valid within `body`; a copy where a foreign writer put them in an
  /// odd place in the block.
  func withElements<Element: BitwiseCopyable, Result>(
    as element: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws -> Result
  ) rethrows -> Result {
    try withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress,
        Int(bitPattern: start).isMultiple(of: MemoryLayout<Element>.alignment)
      else { return try copy(as: element).withUnsafeBufferPointer(body) }
      return try body(
        UnsafeBufferPointer(
          start: start.assumingMemoryBound(to: element), count: elementCount))
    }
  }

  /// An F16 or F32 tensor as Float.
  func floats() -> [Float] {
    if type == .F32 { return copy(as: Float.self) }
    return [Float](unsafeUninitializedCapacity: elementCount) { target, count in
      withElements(as: Float16.self) { source in
        for index in 0..<source.count { target[index] = Float(source[index]) }
      }
      count = elementCount
    }
  }
}

/// Whether no value of a tensor of F32, F16 or BF16 is infinite or not a number: the exponent bits are
/// then nowhere all set.
func areFinite(_ tensor: ShardTensor) -> Bool {
  switch tensor.type {
  case .F32: tensor.withElements(as: UInt32.self) { isBelow(0x7f80_0000, mask: 0x7f80_0000, $0) }
  case .BF16: tensor.withElements(as: UInt16.self) { isBelow(0x7f80, mask: 0x7f80, $0) }
  default: tensor.withElements(as: UInt16.self) { isBelow(0x7c00, mask: 0x7c00, $0) }
  }
}

/// Whether all values, masked, are below `limit`. No early end: the loop is vector instructions.
func isBelow<Word: FixedWidthInteger & UnsignedInteger>(
  _ limit: Word, mask: Word = .max, _ values: UnsafeBufferPointer<Word>
) -> Bool {
  var largest: Word = 0
  for value in values { largest = max(largest, value & mask) }
  return largest < limit
}
