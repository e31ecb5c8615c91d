/// Well-formed and ill-formed UTF-8.
public enum UTF8Text {
  /// The offset of the first ill-formed sequence, nil when all of the bytes are UTF-8.
  public static func firstIllFormed(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let end = bytes.count
    var position = 0
    while position < end {
      if base[position] < 0x80 {
        position = endOfASCII(base, from: position + 1, to: end)
        continue
      }
      let (length, wellFormed) = sequence(base, at: position, end: end)
      if !wellFormed { return position }
      position += length
    }
    return nil
  }

  /// The bytes with each maximal ill-formed part replaced by U+FFFD, as the Unicode standard
  /// recommends and as Python's `bytes.decode(errors="replace")` and Rust's
  /// `from_utf8_lossy` do it.
  public static func repaired(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBufferPointer { buffer in
      guard let first = firstIllFormed(in: buffer) else { return bytes }
      return repaired(buffer, from: first)
    }
  }

  /// As above; `first` is the offset of the first ill-formed sequence.
  static func repaired(_ bytes: UnsafeBufferPointer<UInt8>, from first: Int) -> [UInt8] {
    var result = [UInt8](bytes[..<first])
    result.reserveCapacity(bytes.count + 16)
    var position = first
    while position < bytes.count {
      let (length, wellFormed) = sequence(bytes.baseAddress!, at: position, end: bytes.count)
      if wellFormed {
        result.append(contentsOf: bytes[position..<position + length])
      } else {
        result.append(contentsOf: [0xef, 0xbf, 0xbd])
      }
      position += length
    }
    return result
  }

  /// The scalar that starts at `position` and its length in bytes. The text must be UTF-8.
  @inline(__always)
  static func scalar(
    _ base: UnsafePointer<UInt8>, at position: Int
  ) -> (value: UInt32, length: Int) {
    let first = UInt32(base[position])
    if first < 0x80 { return (first, 1) }
    let second = UInt32(base[position + 1]) & 0x3f
    if first < 0xe0 { return ((first & 0x1f) << 6 | second, 2) }
    let third = UInt32(base[position + 2]) & 0x3f
    if first < 0xf0 { return ((first & 0x0f) << 12 | second << 6 | third, 3) }
    let fourth = UInt32(base[position + 3]) & 0x3f
    return ((first & 0x07) << 18 | second << 12 | third << 6 | fourth, 4)
  }

  /// Appends a scalar as UTF-8.
  static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
    switch scalar {
    case ..<0x80:
      bytes.append(UInt8(scalar))
      return
    case ..<0x800:
      bytes.append(0xc0 | UInt8(scalar >> 6))
    case ..<0x10000:
      bytes.append(0xe0 | UInt8(scalar >> 12))
      bytes.append(0x80 | UInt8(scalar >> 6 & 0x3f))
    default:
      bytes.append(0xf0 | UInt8(scalar >> 18))
      bytes.append(0x80 | UInt8(scalar >> 12 & 0x3f))
      bytes.append(0x80 | UInt8(scalar >> 6 & 0x3f))
    }
    bytes.append(0x80 | UInt8(scalar & 0x3f))
  }

  /// The first byte at or after `start` that is not ASCII, eight bytes at a time.
  @inline(__always)
  private static func endOfASCII(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int {
    var position = start
    while position + 8 <= end {
      let word = UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self)
      let high = word & 0x8080_8080_8080_8080
      if high != 0 { return position + high.trailingZeroBitCount / 8 }
      position += 8
    }
    while position < end && base[position] < 0x80 { position += 1 }
    return position
  }

  /// The length of the well-formed sequence at `position`, or of the maximal ill-formed part
  /// (table 3-7 of the Unicode standard).
  private static func sequence(
    _ base: UnsafePointer<UInt8>, at position: Int, end: Int
  ) -> (length: Int, wellFormed: Bool) {
    let first = base[position]
    var second: ClosedRange<UInt8> = 0x80...0xbf
    let length: Int
    switch first {
    case ..<0x80: return (1, true)
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    case 0xf1...0xf3: length = 4
    default: return (1, false)
    }
    for offset in 1..<length {
      guard position + offset < end else { return (offset, false) }
      let byte = base[position + offset]
      if !(offset == 1 ? second : 0x80...0xbf).contains(byte) { return (offset, false) }
    }
    return (length, true)
  }
}
