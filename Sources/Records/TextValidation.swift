/// The length of the longest prefix of `bytes` that is valid UTF-8; `bytes.count` if all is.
func validUTF8Prefix(_ bytes: UnsafeRawBufferPointer) -> Int {
  var index = 0
  while index < bytes.count {
    // 64 bytes of ASCII at a time, then eight
    if index + 64 <= bytes.count, isASCII(bytes.baseAddress! + index) {
      index += 64
      continue
    }
    if index + 8 <= bytes.count,
      bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
    {
      index += 8
      continue
    }
    let length = scalarLength(bytes, at: index)
    if length == 0 { return index }
    index += length
  }
  return index
}

/// Whether the 64 bytes at `start` are ASCII.
@inline(__always)
private func isASCII(_ start: UnsafeRawPointer) -> Bool {
  var all: UInt64 = 0
  for offset in stride(from: 0, to: 64, by: 8) {
    all |= start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
  return all & 0x8080_8080_8080_8080 == 0
}

/// The length of the well-formed scalar at `index`, 0 if there is none (Unicode 15, table 3-7).
private func scalarLength(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
  let lead = bytes[index]
  if lead < 0x80 { return 1 }
  let length: Int
  var second: ClosedRange<UInt8> = 0x80...0xbf
  switch lead {
  case 0xc2...0xdf: length = 2
  case 0xe0: (length, second) = (3, 0xa0...0xbf)
  case 0xed: (length, second) = (3, 0x80...0x9f)
  case 0xe1...0xef: length = 3
  case 0xf0: (length, second) = (4, 0x90...0xbf)
  case 0xf1...0xf3: length = 4
  case 0xf4: (length, second) = (4, 0x80...0x8f)
  default: return 0
  }
  guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return 0 }
  for offset in 2..<max(length, 2) where bytes[index + offset] & 0xc0 != 0x80 { return 0 }
  return length
}

/// Text as UTF-8 for certain: each ill-formed part becomes U+FFFD, as Unicode recommends. A chunk
/// that ends inside a character has such a part.
func repaired(_ text: [UInt8]) -> [UInt8] {
  if text.withUnsafeBytes({ validUTF8Prefix($0) == $0.count }) { return text }
  return Array(String(decoding: text, as: UTF8.self).utf8)
}
