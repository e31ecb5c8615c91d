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
  /// [group, rows]
  private var scores: [Float] = []

  /// Queries that are multiplied together: the keys stay in the cache, the scores stay small.
  private static let group = 128

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
    if let bad = offer(keys, firstRow: firstRow, seen: nil) {
      throw IndexingError(
        "query \(bad.query): its inner product with the key of row \(bad.row) "
          + "is not a finite number")
    }
  }

  /// The same where each query sees only the rows below its own `seen`.
  ///
  /// - Returns: the first query whose inner product with a key is not finite, and that row.
  mutating func offer(
    _ keys: UnsafeBufferPointer<Float>, firstRow: Int, seen: [Int]?
  ) -> (query: Int, row: Int)? {
    precondition(keys.count % dimension == 0)
    let rows = keys.count / dimension
    guard rows > 0 else { return nil }
    scores.append(
      contentsOf: repeatElement(0, count: max(0, Self.group * rows - scores.count)))
    var bad: (query: Int, row: Int)?
    for first in stride(from: 0, to: best.count, by: Self.group) {
      let group = first..<min(first + Self.group, best.count)
      multiply(group, keys, rows)
      let found = select(group, rows, firstRow, seen)
      if bad == nil, let index = found.firstIndex(where: { $0 != nil }), let row = found[index] {
        bad = (first + index, firstRow + row)
      }
    }
    return bad
  }

  private mutating func multiply(
    _ group: Range<Int>, _ keys: UnsafeBufferPointer<Float>, _ rows: Int
  ) {
    queries.withUnsafeBufferPointer { queries in
      scores.withUnsafeMutableBufferPointer {
        innerProducts(
          $0.baseAddress!, keys: keys.baseAddress!,
          queries: queries.baseAddress! + group.lowerBound * dimension, rows: rows,
          queryCount: group.count, dimension: dimension, workers: workers)
      }
    }
  }

  /// Offers the group's scores; gives for each query the first that is not finite.
  private mutating func select(
    _ group: Range<Int>, _ rows: Int, _ firstRow: Int, _ seen: [Int]?
  ) -> [Int?] {
    let (scores, isZero) = (scores, isZero)
    var bad = [Int?](repeating: nil, count: group.count)
    best.withUnsafeMutableBufferPointer { best in
      bad.withUnsafeMutableBufferPointer { bad in
        scores.withUnsafeBufferPointer { scores in
          workers.forEach(tiles: group.count) { index, _ in
            let query = group.lowerBound + index
            let count = seen.map { min(rows, $0[query] - firstRow) } ?? rows
            guard count > 0, !isZero[query] else { return }
            let own = UnsafeBufferPointer(rebasing: scores[index * rows..<index * rows + count])
            bad[index] = firstNotFinite(own.baseAddress!, count: count)
            if bad[index] == nil { best[query].offer(own, base: firstRow) }
          }
        }
      }
    }
    return bad
  }

  /// One answer per query, over the keys offered so far.
  public var answers: [Answer] { best.map { Answer(neighbours: $0.rows, scores: $0.scores) } }
}
