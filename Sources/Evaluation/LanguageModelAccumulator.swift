/// Sums a language-model evaluation as its tokens go by; memory is 16 bytes per 1024 tokens.
public struct LanguageModelAccumulator: Sendable {
  private var scores: [DocumentScore] = []
  private var texts: [TextUnits] = []
  private var rowOfDocument: [Int: Int] = [:]
  private var currentRow = -1

  public init() {}

  /// Scored tokens so far.
  public private(set) var scoredTokens = 0

  /// A chunk as it is read, whether or not its tokens are scored.
  ///
  /// - Parameters:
  ///   - document: the document's number; any numbers, documents keep the order they came in.
  ///   - tokens: the chunk's tokens.
  ///   - text: the chunk's decoded text if it holds a scored token, else nothing; a document's
  ///     chunks in order, since a word may continue from one to the next.
  public mutating func addChunk(document: Int, tokens: Int, text: some Sequence<UInt8>) {
    precondition(tokens >= 0)
    select(document)
    scores[currentRow].tokens += tokens
    texts[currentRow].add(text)
  }

  /// The document's next chunk does not continue the text of its last one.
  public mutating func endText(document: Int) {
    select(document)
    texts[currentRow].endText()
  }

  /// A scored token.
  ///
  /// - Parameters:
  ///   - position: of the token that is predicted, in its document, from 0.
  ///   - nll: its negative log-likelihood in nats.
  public mutating func add(document: Int, position: Int, nll: Double) {
    precondition(position >= 0)
    select(document)
    scores[currentRow].add(position: position, nll: nll)
    scoredTokens += 1
  }

  /// A row for each document so far.
  public var documents: [DocumentScore] {
    zip(scores, texts).map { score, text in
      var score = score
      score.words = text.words
      score.bytes = text.bytes
      return score
    }
  }

  private mutating func select(_ document: Int) {
    if currentRow >= 0 && scores[currentRow].document == document { return }
    if let row = rowOfDocument[document] {
      currentRow = row
      return
    }
    currentRow = scores.count
    rowOfDocument[document] = currentRow
    scores.append(DocumentScore(document: document))
    texts.append(TextUnits())
  }
}
