import Tokenization

/// A document as token ids.
public struct EncodedDocument: Equatable, Sendable {
  public var ids: [Int32]
  public var source: String
  /// The length of its text in bytes.
  public var bytes: Int

  public init(ids: [Int32], source: String, bytes: Int) {
    self.ids = ids
    self.source = source
    self.bytes = bytes
  }
}

/// Parses and tokenises documents on several threads; the result does not depend on how many.
public struct DocumentEncoder: Sendable {
  /// Long documents are tokenised in parts of about this many bytes.
  private static let partSize = 1 << 18

  private let tokenizer: any Tokenizer
  private let parser: DocumentParser
  private let specialTokens: SpecialTokenHandling
  private let firstToken: Int32?
  private let threads: Int

  /// - Parameter firstToken: put before the tokens of every document that has any.
  public init(
    tokenizer: any Tokenizer, parser: DocumentParser, specialTokens: SpecialTokenHandling,
    firstToken: Int32? = nil, threads: Int
  ) {
    self.tokenizer = tokenizer
    self.parser = parser
    self.specialTokens = specialTokens
    self.firstToken = firstToken
    self.threads = max(1, threads)
  }

  /// The documents of each, in order, up to the first that has an error, and that error; or with none of
  /// those that have one, and all errors.
  public func parse(
    _ batch: [RawDocument], skipsFailures: Bool = false
  ) -> (documents: [[Document]], failures: [DocumentError]) {
    let parsed = parallelMap(batch.count, threads: threads) {
      index -> Result<[Document], DocumentError> in
      do throws(DocumentError) {
        return .success(try parser.documents(batch[index]))
      } catch {
        return .failure(error)
      }
    }
    var documents: [[Document]] = []
    var failures: [DocumentError] = []
    for result in parsed {
      switch result {
      case .success(let own): documents.append(own)
      case .failure(let error):
        failures.append(error)
        guard skipsFailures else { return (documents, failures) }
        documents.append([])
      }
    }
    return (documents, failures)
  }

  /// The documents' ids, in order.
  public func encode(_ documents: [Document]) -> [EncodedDocument] {
    let parts = documents.indices.flatMap { index in
      documents[index].text.withUnsafeBufferPointer { text in
        tokenizer.independentParts(of: text, size: Self.partSize).map { (index, $0) }
      }
    }
    let encoded = parallelMap(parts.count, threads: threads) { number in
      let (index, range) = parts[number]
      return documents[index].text.withUnsafeBufferPointer { text in
        tokenizer.encode(
          UnsafeBufferPointer(rebasing: text[range]), specialTokens: specialTokens)
      }
    }
    var result = documents.map {
      EncodedDocument(ids: [], source: $0.source, bytes: $0.text.count)
    }
    for (number, part) in parts.enumerated() {
      if part.1.lowerBound == 0 {
        result[part.0].ids = encoded[number]
      } else {
        result[part.0].ids += encoded[number]
      }
    }
    if let firstToken {
      for index in result.indices where !result[index].ids.isEmpty {
        result[index].ids.insert(firstToken, at: 0)
      }
    }
    return result
  }
}
