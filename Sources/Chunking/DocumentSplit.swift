/// Ends the input after a number of tokens.
public struct TokenBudget: Sendable {
  private var left: Int?

  /// nil has no end.
  public init(_ tokens: Int?) { left = tokens }

  /// True when no further document is wanted.
  public var isSpent: Bool { left == 0 }

  /// The ids that are still within the budget: the first ones of the last document.
  public mutating func take(_ ids: [Int32]) -> [Int32] {
    guard let left else { return ids }
    let taken = ids.prefix(left)
    self.left = left - taken.count
    return taken.count == ids.count ? ids : Array(taken)
  }
}

/// Keeps the last documents back, without knowing beforehand how many there are.
///
/// Of n documents the last h(n) = round(fraction · n) are held out, but not fewer than one and
/// not all of them (one document alone is not held out). n − h(n) never falls as n grows, so a
/// document that lies before it can go on at once: memory holds the held-out documents only.
public struct HoldoutSplit<Document> {
  private let fraction: Double
  private var waiting: [Document] = []
  private var first = 0  // of `waiting`: those before it have gone on
  private var total = 0
  private var released = 0

  /// - Parameter fraction: 0 (none is held out) to below 1.
  public init(fraction: Double) {
    precondition(fraction >= 0 && fraction < 1)
    self.fraction = fraction
  }

  /// h(n).
  public func heldOut(of count: Int) -> Int {
    if fraction == 0 || count < 2 { return 0 }
    return min(count - 1, max(1, Int((fraction * Double(count)).rounded())))
  }

  /// Adds a document; hands over the documents that certainly are not held out, in order.
  public mutating func append(
    _ document: Document, to sink: (Document) throws -> Void
  ) rethrows {
    total += 1
    waiting.append(document)
    while released < total - heldOut(of: total) {
      let next = waiting[first]
      first += 1
      released += 1
      if 2 * first > waiting.count {
        waiting.removeFirst(first)
        first = 0
      }
      try sink(next)
    }
  }

  /// The documents held out of those appended so far, in order.
  public var heldOut: [Document] { Array(waiting[first...]) }
}
