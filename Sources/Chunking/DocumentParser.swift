import Tokenization

/// A document's text, UTF-8, and where it came from.
public struct Document: Equatable, Sendable {
  public var text: [UInt8]
  public var source: String

  public init(text: [UInt8], source: String) {
    self.text = text
    self.source = source
  }
}

/// Makes documents of what a `DocumentReader` read. May be used from any thread.
public struct DocumentParser: Sendable {
  /// The source of a document that names none.
  public static let unnamedSource = "default"

  private let textField: String
  private let sourceField: String
  private let paths: [[[UInt8]]]
  private let tokenRows: TokenRows?

  /// Fields are keys of the JSON object; a dot leads into an object within.
  public init(textField: String, sourceField: String) {
    self.textField = textField
    self.sourceField = sourceField
    tokenRows = nil
    paths = [textField, sourceField].map { field in
      field.utf8.split(separator: 0x2e, omittingEmptySubsequences: false).map(Array.init)
    }
  }

  /// For rows of token ids (see `TokenRows`), which `tokenizer` turns back into text.
  /// - Parameter keepsSpecialTokens: whether special tokens are spelt out in the text.
  public init(idsOf tokenizer: any Tokenizer, keepsSpecialTokens: Bool) {
    textField = ""
    sourceField = ""
    paths = []
    tokenRows = TokenRows(tokenizer: tokenizer, keepsSpecialTokens: keepsSpecialTokens)
  }

  /// The documents of what was read: one, or with rows of ids one a span.
  /// - Throws: `DocumentError` with the file and the line.
  public func documents(_ raw: RawDocument) throws(DocumentError) -> [Document] {
    guard let tokenRows else { return [try document(raw)] }
    guard raw.format == .jsonl else { throw DocumentError("\(raw.file): not JSON lines") }
    return try tokenRows.documents(raw.bytes, at: "\(raw.file):\(raw.line)")
  }

  /// - Throws: `DocumentError` with the file and the line.
  public func document(_ raw: RawDocument) throws(DocumentError) -> Document {
    let failure = raw.bytes.withUnsafeBufferPointer(UTF8Text.firstIllFormed)
    if let failure { throw Self.notUTF8(raw, at: failure) }
    if raw.format == .text { return Document(text: raw.bytes, source: Self.unnamedSource) }

    let place = "\(raw.file):\(raw.line)"
    let values: [JSONFields.Value]
    do {
      values = try raw.bytes.withUnsafeBufferPointer { bytes throws(JSONFields.Malformed) in
        try JSONFields.read(bytes, paths: paths)
      }
    } catch {
      throw DocumentError(
        "\(place): malformed JSON: expected \(error.expected) at byte \(error.offset + 1)")
    }
    guard case .string(let text) = values[0] else {
      let fault = values[0] == .missing ? "is missing" : "is not a string"
      throw DocumentError("\(place): field \(textField) \(fault)")
    }
    switch values[1] {
    case .missing: return Document(text: text, source: Self.unnamedSource)
    case .string(let source):
      return Document(text: text, source: String(decoding: source, as: UTF8.self))
    case .other: throw DocumentError("\(place): field \(sourceField) is not a string")
    }
  }

  private static func notUTF8(_ raw: RawDocument, at offset: Int) -> DocumentError {
    if raw.format == .jsonl {
      return DocumentError("\(raw.file):\(raw.line): byte \(offset + 1) is not UTF-8")
    }
    let line = 1 + raw.bytes[..<offset].count { $0 == 0x0a }
    return DocumentError("\(raw.file): byte \(offset + 1) (line \(line)) is not UTF-8")
  }
}
