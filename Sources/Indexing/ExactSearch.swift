import Kernels

/// Exact inner-product search for free queries: keys stream past, memory is that of the queries
/// and their k best.
public struct ExactSearch {
  public struct Answer: Equatable, Sendable {
    /// Rows found, best first; of equal scores the older first. Empty for a query of zeros.
    public var neighbours: [Int]
    public var scores: [Float]
  }

  public let dimension: Int
  private let queries: [Float]
  private let workers: Workers
  private var best: [BestRows]
  private var isZero: [Bool]
  private var scores: [Float] = []

  /// - Parameter queries: [q, dimension]
  public init(queries: [Float], dimension: Int, topK: Int, workers: Workers) {
    precondition(dimension >= 1 && queries.count % dimension == 0)
    self.queries = queries
    self.dimension = dimension
    self.workers = workers
    let count = queries.count / dimension
    best = Array(repeating: BestRows(limit: topK), count: count)
    isZero = (0..<count).map { query in
      queries[query * dimension..<(query + 1) * dimension].allSatisfy { $0 == 0 }
    }
  }

  /// Offers the next keys; calls come in ascending row order.
  ///
  /// - Parameters:
  ///   - keys: [n, dimension]
  ///   - firstRow: row of the first of them.
  /// - Throws: `IndexingError` when an inner product is not finite.
  public mutating func offer(_ keys: UnsafeBufferPointer<Float>, firstRow: Int) throws {
    precondition(keys.count % dimension == 0)
    let rows = keys.count / dimension
    guard rows > 0 else { return }
    // A few queries at a time: the keys stay in the cache, the scores stay small.
    for first in stride(from: 0, to: best.count, by: 32) {
      let group = first..<min(first + 32, best.count)
      scores = [Float](repeating: 0, count: group.count * rows)
      queries.withUnsafeBufferPointer { queries in
        scores.withUnsafeMutableBufferPointer {
          innerProducts(
            $0.baseAddress!, keys: keys.baseAddress!,
            queries: queries.baseAddress! + first * dimension, rows: rows,
            queryCount: group.count, dimension: dimension, workers: workers)
        }
      }
      for query in group where !isZero[query] {
        let own = (query - first) * rows..<(query - first + 1) * rows
        try offerScores(own, of: query, firstRow: firstRow)
      }
    }
  }

  private mutating func offerScores(_ range: Range<Int>, of query: Int, firstRow: Int) throws {
    if let bad = scores[range].firstIndex(where: { !$0.isFinite }) {
      throw IndexingError(
        "query \(query): its inner product with the key of row "
          + "\(firstRow + bad - range.lowerBound) is not a finite number")
    }
    scores.withUnsafeBufferPointer {
      best[query].offer(UnsafeBufferPointer(rebasing: $0[range]), base: firstRow)
    }
  }

  /// One answer per query, over the keys offered so far.
  public var answers: [Answer] { best.map { Answer(neighbours: $0.rows, scores: $0.scores) } }
}
