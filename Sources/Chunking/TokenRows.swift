import FoundationEssentials
import Tokenization

/// Reads rows of token ids back into text: the layout of yaofu/slimpajama-per-source-length-upsample,
/// `{"input_ids": [1, 367, …], "source": [{"source": "RedPajamaBook", "start": 0, "end": 131072}, …]}`.
///
/// Each span is a document of its source, `end` exclusive; ids that no span covers are a document
/// without a source. The space that the tokenizer puts before a text is taken off, as its own
/// decoder does.
struct TokenRows: Sendable {
  private struct Row: Decodable {
    let input_ids: [Int32]
    let source: [Span]?
  }

  private struct Span: Decodable {
    let source: String
    let start: Int
    let end: Int
  }

  private let tokenizer: any Tokenizer
  private let keepsSpecialTokens: Bool

  init(tokenizer: any Tokenizer, keepsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.keepsSpecialTokens = keepsSpecialTokens
  }

  /// - Parameter place: the file and the line, for messages.
  func documents(_ bytes: [UInt8], at place: String) throws(DocumentError) -> [Document] {
    let row: Row
    do {
      row = try JSONDecoder().decode(Row.self, from: Data(bytes))
    } catch {
      throw DocumentError("\(place): not a row of input_ids and source: \(Self.fault(error))")
    }
    let size = tokenizer.identity.vocabularySize
    if let stray = row.input_ids.firstIndex(where: { $0 < 0 || $0 >= size }) {
      throw DocumentError(
        "\(place): id \(row.input_ids[stray]) at \(stray) is not of the ids' tokenizer, 0..<\(size)"
      )
    }
    var documents = [Document]()
    var position = 0
    func add(upTo end: Int, source: String) {
      if end > position { documents.append(document(row.input_ids[position..<end], source)) }
      position = end
    }
    for span in row.source ?? [] {
      guard span.start >= position, span.end >= span.start, span.end <= row.input_ids.count else {
        throw DocumentError(
          "\(place): source \(span.start)..<\(span.end) is not in \(position)...\(row.input_ids.count)"
        )
      }
      add(upTo: span.start, source: DocumentParser.unnamedSource)
      add(upTo: span.end, source: span.source)
    }
    add(upTo: row.input_ids.count, source: DocumentParser.unnamedSource)
    return documents
  }

  private func document(_ ids: ArraySlice<Int32>, _ source: String) -> Document {
    var text = tokenizer.decodeText(ids, skippingSpecialTokens: !keepsSpecialTokens)
    if tokenizer.addsLeadingSpace && text.first == 0x20 { text.removeFirst() }
    return Document(text: text, source: source)
  }

  /// What is wrong, without the decoder's own many words.
  private static func fault(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      (context.codingPath.first?.stringValue ?? "the line") + " is of another type"
    default: "malformed JSON, or a number out of range"
    }
  }
}
