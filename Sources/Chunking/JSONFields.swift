/// Takes a few strings out of one JSON object without building the rest of it: linear in its
/// length, and a document of 100 MB costs one copy.
///
/// The whole object is checked against the grammar of RFC 8259, with NaN, Infinity and -Infinity as
/// Python writes them. Of equal keys the last counts. A surrogate escape without its partner, which no
/// text can hold, becomes U+FFFD.
struct JSONFields {
  /// What a path led to.
  enum Value: Equatable {
    case missing  // or null
    case string([UInt8])
    case other
  }

  struct Malformed: Error {
    let expected: String
    let offset: Int
  }

  private static let deepest = 512

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var values: [Value]

  /// The values at the paths, each a list of keys. The bytes must be UTF-8.
  static func read(
    _ bytes: UnsafeBufferPointer<UInt8>, paths: [[[UInt8]]]
  ) throws(Malformed) -> [Value] {
    var fields = JSONFields(bytes: bytes, count: paths.count)
    fields.skipSpace()
    guard fields.peek == UInt8(ascii: "{") else { throw fields.malformed("an object") }
    try fields.object(wanted: paths.enumerated().map { ($0.offset, $0.element[...]) }, depth: 1)
    fields.skipSpace()
    if fields.peek != nil { throw fields.malformed("the end of the line") }
    return fields.values
  }

  private init(bytes: UnsafeBufferPointer<UInt8>, count: Int) {
    self.bytes = bytes
    values = [Value](repeating: .missing, count: count)
  }

  // MARK: - Values

  private mutating func object(
    wanted: [(index: Int, path: ArraySlice<[UInt8]>)], depth: Int
  ) throws(Malformed) {
    position += 1
    skipSpace()
    if take("}") { return }
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw malformed("a key") }
      let matches: [(index: Int, path: ArraySlice<[UInt8]>)]
      if wanted.isEmpty {
        try skipString()
        matches = []
      } else {
        let key = try string()
        matches = wanted.filter { $0.path.first == key }
      }
      skipSpace()
      guard take(":") else { throw malformed("a colon") }
      skipSpace()
      try member(matches, depth: depth)
      skipSpace()
      if take("}") { return }
      guard take(",") else { throw malformed("a comma or }") }
    }
  }

  private mutating func member(
    _ matches: [(index: Int, path: ArraySlice<[UInt8]>)], depth: Int
  ) throws(Malformed) {
    for match in matches { values[match.index] = .missing }
    let final = matches.filter { $0.path.count == 1 }
    let deeper = matches.filter { $0.path.count > 1 }
    switch peek {
    case UInt8(ascii: "\"") where !final.isEmpty:
      let text = try string()
      for match in final { values[match.index] = .string(text) }
    case UInt8(ascii: "{") where depth < Self.deepest:
      try object(wanted: deeper.map { ($0.index, $0.path.dropFirst()) }, depth: depth + 1)
      for match in final { values[match.index] = .other }
    default:
      let isNull = peek == UInt8(ascii: "n")
      try skipValue(depth: depth)
      if !isNull { for match in final { values[match.index] = .other } }
    }
  }

  private mutating func skipValue(depth: Int) throws(Malformed) {
    guard let byte = peek else { throw malformed("a value") }
    switch byte {
    case UInt8(ascii: "\""): try skipString()
    case UInt8(ascii: "t"): try skipWord("true")
    case UInt8(ascii: "f"): try skipWord("false")
    case UInt8(ascii: "n"): try skipWord("null")
    case UInt8(ascii: "N"): try skipWord("NaN")
    case UInt8(ascii: "I"): try skipWord("Infinity")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try skipNumber()
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < Self.deepest else { throw malformed("at most \(Self.deepest) levels") }
      if byte == UInt8(ascii: "{") {
        try object(wanted: [], depth: depth + 1)
      } else {
        try skipArray(depth: depth + 1)
      }
    default: throw malformed("a value")
    }
  }

  private mutating func skipArray(depth: Int) throws(Malformed) {
    position += 1
    skipSpace()
    if take("]") { return }
    while true {
      skipSpace()
      try skipValue(depth: depth)
      skipSpace()
      if take("]") { return }
      guard take(",") else { throw malformed("a comma or ]") }
    }
  }

  private mutating func skipWord(_ word: StaticString) throws(Malformed) {
    for offset in 0..<word.utf8CodeUnitCount {
      guard peek == word.utf8Start[offset] else { throw malformed("\(word)") }
      position += 1
    }
  }

  private mutating func skipNumber() throws(Malformed) {
    if take("-"), peek == UInt8(ascii: "I") { return try skipWord("Infinity") }
    if !take("0") { try skipDigits() }
    if take(".") { try skipDigits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(Malformed) {
    let first = position
    while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
    if position == first { throw malformed("a digit") }
  }

  // MARK: - Strings

  private mutating func skipString() throws(Malformed) {
    position += 1
    while true {
      switch try endOfPlainText() {
      case UInt8(ascii: "\""):
        position += 1
        return
      default:
        _ = try escape()
      }
    }
  }

  /// The string that starts here, unescaped.
  private mutating func string() throws(Malformed) -> [UInt8] {
    position += 1
    var result = [UInt8]()
    while true {
      let start = position
      let stop = try endOfPlainText()
      result += bytes[start..<position]
      if stop == UInt8(ascii: "\"") {
        position += 1
        return result
      }
      Self.append(try escape(), to: &result)
    }
  }

  /// Moves to the next quotation mark or backslash and returns it.
  private mutating func endOfPlainText() throws(Malformed) -> UInt8 {
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return byte }
      if byte < 0x20 { throw malformed("an escaped control character") }
      position += 1
    }
    throw malformed("the end of a string")
  }

  /// The scalar of the escape sequence that starts here.
  private mutating func escape() throws(Malformed) -> UInt32 {
    position += 1
    guard let byte = peek else { throw malformed("an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(byte)
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0c
    case UInt8(ascii: "n"): return 0x0a
    case UInt8(ascii: "r"): return 0x0d
    case UInt8(ascii: "t"): return 0x09
    case UInt8(ascii: "u"): break
    default:
      position -= 1
      throw malformed("an escape")
    }
    let unit = try fourHexDigits()
    guard (0xd800...0xdfff).contains(unit) else { return unit }
    let next = position
    if unit < 0xdc00, take("\\"), take("u") {
      let low = try fourHexDigits()
      if (0xdc00...0xdfff).contains(low) {
        return 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
      }
    }
    position = next
    return 0xfffd
  }

  private mutating func fourHexDigits() throws(Malformed) -> UInt32 {
    var number: UInt32 = 0
    for _ in 0..<4 {
      switch peek {
      case let byte? where (0x30...0x39).contains(byte): number = number << 4 | UInt32(byte - 0x30)
      case let byte? where (0x41...0x46).contains(byte & 0xdf):
        number = number << 4 | UInt32(byte & 0xdf - 0x37)
      default: throw malformed("four hexadecimal digits")
      }
      position += 1
    }
    return number
  }

  private static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
    if scalar < 0x80 {
      bytes.append(UInt8(scalar))
    } else if let scalar = Unicode.Scalar(scalar) {
      bytes += UTF8.encode(scalar)!
    }
  }

  // MARK: - Bytes

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      position += 1
    }
  }

  private func malformed(_ expected: String) -> Malformed {
    Malformed(expected: expected, offset: position)
  }
}
