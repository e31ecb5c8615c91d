/// The few fields of a SentencePiece `ModelProto` that its library's interface does not tell.
///
/// `sentencepiece_model.proto`: trainer_spec is field 2 (model_type 3), normalizer_spec is field 3
/// (add_dummy_prefix 3). The walk checks every length, so a file that is no protocol buffer is
/// refused before the library sees it.
struct SentencePieceOutline: Equatable {
  enum Kind: UInt64 {
    case unigram = 1, bytePair, word, character
  }

  private(set) var kind = Kind.unigram
  private(set) var addsDummyPrefix = true

  /// nil when the bytes are no `ModelProto`.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var outer = ProtocolBufferFields(bytes)
    var pieces = 0
    while let field = outer.next() {
      guard case .bytes(let message) = field.value else { continue }
      switch field.number {
      case 1: pieces += 1
      case 2:
        guard let type = Self.number(3, in: message) else { return nil }
        guard let kind = Kind(rawValue: type ?? 1) else { return nil }
        self.kind = kind
      case 3:
        guard let prefix = Self.number(3, in: message) else { return nil }
        addsDummyPrefix = prefix != 0
      default: break
      }
    }
    guard !outer.isMalformed, pieces > 0 else { return nil }
  }

  /// The value of a number field, nil inside when it is absent, nil when the message is malformed.
  private static func number(_ number: Int, in message: UnsafeRawBufferPointer) -> UInt64?? {
    var fields = ProtocolBufferFields(message)
    var found: UInt64?
    while let field = fields.next() {
      if field.number == number, case .number(let value) = field.value { found = value }
    }
    return fields.isMalformed ? nil : .some(found)
  }
}

/// The fields of one protocol buffer message, in order.
struct ProtocolBufferFields {
  enum Value {
    case number(UInt64)
    case bytes(UnsafeRawBufferPointer)
    case fixed
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private(set) var isMalformed = false

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next field; nil at the end and where the message is malformed.
  mutating func next() -> (number: Int, value: Value)? {
    guard position < bytes.count else { return nil }
    guard let tag = variable(), tag >> 3 > 0, tag >> 3 < 1 << 29 else { return fail() }
    let number = Int(tag >> 3)
    switch tag & 7 {
    case 0:
      guard let value = variable() else { return fail() }
      return (number, .number(value))
    case 2:
      guard let length = variable(), length <= UInt64(bytes.count - position) else { return fail() }
      position += Int(length)
      let range = position - Int(length)..<position
      return (number, .bytes(UnsafeRawBufferPointer(rebasing: bytes[range])))
    case 1, 5:
      let length = tag & 7 == 1 ? 8 : 4
      guard length <= bytes.count - position else { return fail() }
      position += length
      return (number, .fixed)
    default: return fail()
    }
  }

  private mutating func fail() -> (number: Int, value: Value)? {
    isMalformed = true
    return nil
  }

  private mutating func variable() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard position < bytes.count else { return nil }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
