extension JSONValue {
  /// Parses one JSON document (RFC 8259, UTF-8; NaN, Infinity and -Infinity, as Python writes them,
  /// are numbers that are not finite). Of a repeated key the last value holds.
  /// - Throws: `JSONError` for anything else, including more than 256 nested levels.
  public init(parsing bytes: some Sequence<UInt8>) throws {
    let parsed = try bytes.withContiguousStorageIfAvailable {
      try JSONValue(parsing: UnsafeRawBufferPointer($0))
    }
    if let parsed {
      self = parsed
    } else {
      self = try Array(bytes).withUnsafeBytes { try JSONValue(parsing: $0) }
    }
  }

  /// As above, where objects under the names in `listed` become arrays of `[key, value]` in the text's
  /// order: a dictionary takes keys that differ in their code points alone ("é") for one.
  public init(parsing bytes: UnsafeRawBufferPointer, listed: Set<String>) throws {
    var parser = JSONParser(bytes: bytes)
    parser.listed = listed
    self = try parser.document()
  }

  public init(parsing text: String) throws {
    var text = text
    self = try text.withUTF8 { try JSONValue(parsing: UnsafeRawBufferPointer($0)) }
  }

  public init(parsing bytes: UnsafeRawBufferPointer) throws {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }
}

/// A recursive-descent parser over borrowed bytes.
private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  var position = 0
  var depth = 0
  var listed: Set<String> = []

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func document() throws -> JSONValue {
    let value = try self.value()
    skipSpace()
    guard position == bytes.count else { throw failure("text after the value") }
    return value
  }

  func failure(_ reason: String) -> JSONError { JSONError(reason: reason, offset: position) }

  /// The byte at the position, 0 past the end (0 is legal nowhere in JSON).
  var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

  mutating func skipSpace() {
    while true {
      switch current {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  mutating func value() throws -> JSONValue {
    skipSpace()
    switch current {
    case UInt8(ascii: "{"): return try nested { try $0.object() }
    case UInt8(ascii: "["): return try nested { try $0.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "N"): return try literal("NaN", .number(.nan))
    case UInt8(ascii: "I"): return try literal("Infinity", .number(.infinity))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure(position < bytes.count ? "a value is expected" : "the text ends early")
    }
  }

  mutating func nested<Value>(_ body: (inout JSONParser) throws -> Value) throws -> Value {
    guard depth < 256 else { throw failure("more than 256 nested levels") }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try body(&self)
  }

  mutating func literal(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
    for index in 0..<text.utf8CodeUnitCount {
      guard current == text.utf8Start[index] else { throw failure("a value is expected") }
      position += 1
    }
    return value
  }

  mutating func object() throws -> JSONValue {
    var members: [String: JSONValue] = [:]
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      let key = try self.key()
      skipSpace()
      if listed.contains(key) && current == UInt8(ascii: "{") {
        members[key] = .array(try nested { try $0.pairs() })
      } else {
        members[key] = try value()
      }
      if try closes(with: UInt8(ascii: "}")) { return .object(members) }
    }
  }

  /// A member's key and the colon behind it.
  mutating func key() throws -> String {
    skipSpace()
    guard current == UInt8(ascii: "\"") else { throw failure("a key is expected") }
    let key = try string()
    skipSpace()
    guard current == UInt8(ascii: ":") else { throw failure("':' is expected") }
    position += 1
    return key
  }

  /// An object's members in order, each as `[key, value]`.
  mutating func pairs() throws -> [JSONValue] {
    var pairs: [JSONValue] = []
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return pairs
    }
    while true {
      let key = try self.key()
      pairs.append(.array([.string(key), try value()]))
      if try closes(with: UInt8(ascii: "}")) { return pairs }
    }
  }

  mutating func array() throws -> JSONValue {
    var elements: [JSONValue] = []
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      return .array(elements)
    }
    while true {
      elements.append(try value())
      if try closes(with: UInt8(ascii: "]")) { return .array(elements) }
    }
  }

  /// Steps over a comma (false) or the closing bracket (true).
  mutating func closes(with bracket: UInt8) throws -> Bool {
    skipSpace()
    guard current == bracket || current == UInt8(ascii: ",") else {
      throw failure("',' or '\(Character(UnicodeScalar(bracket)))' is expected")
    }
    defer { position += 1 }
    return current == bracket
  }

  mutating func number() throws -> JSONValue {
    let start = position
    var isIntegral = true
    if current == UInt8(ascii: "-") { position += 1 }
    if current == UInt8(ascii: "I") { return try literal("Infinity", .number(-.infinity)) }
    let first = current
    try digits()
    if first == UInt8(ascii: "0"), position - start > (bytes[start] == first ? 1 : 2) {
      throw failure("a number starts with 0")
    }
    if current == UInt8(ascii: ".") {
      isIntegral = false
      position += 1
      try digits()
    }
    if current | 0x20 == UInt8(ascii: "e") {
      isIntegral = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isIntegral, let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw failure("a number is too large") }
    return .number(value)
  }

  mutating func digits() throws {
    let start = position
    while case UInt8(ascii: "0")...UInt8(ascii: "9") = current { position += 1 }
    guard position > start else { throw failure("a digit is expected") }
  }

  /// A string with its quotes. Runs without escapes are taken in one piece.
  mutating func string() throws -> String {
    position += 1
    let start = position
    var escaped: [UInt8]?
    var run = start
    while true {
      guard position < bytes.count else { throw failure("a string is not closed") }
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") { break }
      guard byte >= 0x20 else { throw failure("a control character in a string") }
      if byte == UInt8(ascii: "\\") {
        var text = escaped ?? []
        text.append(contentsOf: bytes[run..<position])
        position += 1
        try appendEscape(to: &text)
        escaped = text
        run = position
      } else {
        position += 1
      }
    }
    let end = position
    position += 1
    let tail = UnsafeRawBufferPointer(rebasing: bytes[run..<end])
    if var text = escaped {
      text.append(contentsOf: tail)
      return try text.withUnsafeBytes { try validated($0) }
    }
    return try validated(tail)
  }

  func validated(_ text: UnsafeRawBufferPointer) throws -> String {
    guard let string = String(utf8: text) else {
      throw failure("a string is not UTF-8")
    }
    return string
  }

  mutating func appendEscape(to text: inout [UInt8]) throws {
    let escape = current
    guard position < bytes.count else { throw failure("a string is not closed") }
    position += 1
    switch escape {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: String(try unicodeEscape()).utf8)
    default: throw failure("an unknown escape")
    }
  }

  /// `XXXX` after `\u`, joined with a following low surrogate. A lone surrogate, which no UTF-8
  /// can spell, becomes U+FFFD, as in Python's `errors="replace"`.
  mutating func unicodeEscape() throws -> Unicode.Scalar {
    let unit = try hexUnit()
    if unit & 0xfc00 == 0xd800, current == UInt8(ascii: "\\"), position + 1 < bytes.count,
      bytes[position + 1] == UInt8(ascii: "u")
    {
      let resume = position
      position += 2
      let low = try hexUnit()
      if low & 0xfc00 == 0xdc00 {
        return Unicode.Scalar(0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff) ?? "\u{fffd}"
      }
      position = resume
    }
    return Unicode.Scalar(unit) ?? "\u{fffd}"
  }

  mutating func hexUnit() throws -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(UnicodeScalar(current)).hexDigitValue, current < 0x80 else {
        throw failure("four hexadecimal digits are expected")
      }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }
}

extension String {
  /// The text of bytes, nil where they are not UTF-8: what decoding had to mend was not. Vocabularies are a
  /// hundred thousand strings, and `String(validating:)` takes several times as long.
  public init?(utf8 bytes: UnsafeRawBufferPointer) {
    self.init(decoding: bytes, as: UTF8.self)
    guard utf8.elementsEqual(bytes) else { return nil }
  }
}
