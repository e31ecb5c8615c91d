/// A document with its source's number.
public struct NumberedDocument: Equatable, Sendable {
  public var ids: [Int32]
  /// An index into `Corpus.sources`.
  public var source: UInt8

  public init(ids: [Int32], source: UInt8) {
    self.ids = ids
    self.source = source
  }
}

/// What becomes of the documents as they are read: those without tokens are dropped, sources get
/// numbers, the budget ends the input, and the last documents are held out.
public struct Corpus {
  private var budget: TokenBudget
  private var split: HoldoutSplit<NumberedDocument>
  private var numberOfSource: [String: UInt8] = [:]

  /// The sources' names in the order of their numbers.
  public private(set) var sources: [String] = []
  /// Documents with tokens and their tokens, so far.
  public private(set) var documents = 0
  public private(set) var tokens = 0

  public init(budget: TokenBudget, split: HoldoutSplit<NumberedDocument>) {
    self.budget = budget
    self.split = split
  }

  /// True when the budget is spent.
  public var isComplete: Bool { budget.isSpent }

  /// Adds a document; hands over those that certainly are not held out, in order.
  public mutating func append(
    _ document: EncodedDocument, to sink: (NumberedDocument) throws -> Void
  ) throws {
    let source = try number(of: document.source)
    let ids = budget.take(document.ids)
    if ids.isEmpty { return }
    documents += 1
    tokens += ids.count
    try split.append(NumberedDocument(ids: ids, source: source), to: sink)
  }

  /// The documents held out of those appended, in order.
  public var heldOut: [NumberedDocument] { split.heldOut }

  private mutating func number(of source: String) throws -> UInt8 {
    if let number = numberOfSource[source] { return number }
    guard let number = UInt8(exactly: sources.count) else {
      throw DocumentError("more than 256 sources; the last is \(source)")
    }
    sources.append(source)
    numberOfSource[source] = number
    return number
  }
}
