extension UnsafeBufferPointer<UInt8> {
  /// The bytes behind `prefix`, with `content` in place of each `byte`.
  func replacing(_ byte: UInt8, with content: [UInt8], prefix: [UInt8] = []) -> [UInt8] {
    let found = reduce(0) { $0 + ($1 == byte ? 1 : 0) }
    let size = prefix.count + count + found * (content.count - 1)
    return [UInt8](unsafeUninitializedCapacity: size) { result, used in
      used = size
      _ = result.update(fromContentsOf: prefix)
      var position = prefix.count
      for index in indices {
        if self[index] == byte {
          for offset in content.indices { result[position + offset] = content[offset] }
          position += content.count
        } else {
          result[position] = self[index]
          position += 1
        }
      }
    }
  }
}

/// Places where a text can be cut whatever the tokenizer makes of the parts.
extension UTF8Text {
  /// Parts that end between an ASCII letter and a space, or a line feed where `atLines`; of about
  /// `size` bytes each, or more where there is no such place.
  static func partsBeforeSpaces(
    of text: UnsafeBufferPointer<UInt8>, size: Int, atLines: Bool
  ) -> [Range<Int>] {
    var parts = [Range<Int>]()
    var start = 0
    var position = max(size, 1)
    while position < text.count {
      if isLetter(text[position - 1])
        && (text[position] == 0x20 || atLines && text[position] == 0x0a)
      {
        parts.append(start..<position)
        start = position
        position += max(size, 1)
      } else {
        position += 1
      }
    }
    parts.append(start..<text.count)
    return parts
  }

  /// Parts between ASCII letters with a single space between them, which is in no part.
  static func partsAtSpaces(of text: UnsafeBufferPointer<UInt8>, size: Int) -> [Range<Int>] {
    var parts = [Range<Int>]()
    var start = 0
    var position = max(size, 1)
    while position + 1 < text.count {
      if text[position] == 0x20 && isLetter(text[position - 1]) && isLetter(text[position + 1]) {
        parts.append(start..<position)
        start = position + 1
        position = start + max(size, 1)
      } else {
        position += 1
      }
    }
    parts.append(start..<text.count)
    return parts
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}
