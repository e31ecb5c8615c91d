import Kernels

/// The memory of DESIGN §1 as it runs: chunks enter, queries retrieve, the eviction rule applies.
///
/// `MemoryPlanner` drives one over a whole stream; generation drives one as its text grows. Results
/// do not depend on the thread count: every inner product is summed in one fixed order.
public final class LiveMemory {
  /// A live chunk as the memory knows it.
  public struct Entry: Sendable, Equatable {
    public var row: Int
    /// Retrievals since it entered.
    public var hits: Int
    /// Event of the last retrieval, or of the entry.
    public var lastUse: Int
    /// [dimension]
    public var key: [Float]

    public init(row: Int, hits: Int, lastUse: Int, key: [Float]) {
      self.row = row
      self.hits = hits
      self.lastUse = lastUse
      self.key = key
    }
  }

  /// What a query retrieved: rows ascending (in time order), each with its inner product.
  public typealias Retrieved = (rows: [Int], scores: [Float])

  public let settings: MemorySettings
  public let dimension: Int
  private let workers: Workers
  private var memory: ChunkMemory
  /// Ticks at every retrieval and at every entry, in the order they happen.
  public private(set) var event: Int
  private var scores: [Float] = []

  /// - Parameters:
  ///   - dimension: components of every key and query, ≥ 1.
  ///   - entries: the live chunks to begin with, rows ascending.
  ///   - event: where the clock stood when they were live.
  public init(
    _ settings: MemorySettings, dimension: Int, workers: Workers, entries: [Entry] = [],
    event: Int = 0
  ) {
    precondition(dimension >= 1)
    self.settings = settings
    self.dimension = dimension
    self.workers = workers
    self.event = event
    memory = ChunkMemory(dimension: dimension, entries: entries)
  }

  public var liveCount: Int { memory.liveCount }

  /// The live chunks' rows, ascending.
  public var rows: ArraySlice<Int> { memory.rows[..<liveCount] }

  /// The live chunks, oldest first.
  public var entries: [Entry] { memory.entries }

  /// Stores a chunk that an `enter` will let in.
  public func store(row: Int, key: UnsafeBufferPointer<Float>) { memory.store(row: row, key: key) }

  /// The stored chunks that have left the reader's local context enter with counter 0, then the
  /// eviction rule applies.
  ///
  /// - Parameter isEnd: the text ends, and the local context with it.
  /// - Returns: the rows that go, ascending.
  @discardableResult
  public func enter(isEnd: Bool = false) -> [Int] {
    event += 1
    memory.admit(event: event, allBut: isEnd ? 0 : settings.heldBack)
    let gone = evictedPositions(
      settings.eviction, capacity: settings.capacity, hits: memory.hits, lastUse: memory.lastUse)
    let rows = gone.map { memory.rows[$0] }
    memory.remove(gone)
    return rows
  }

  public func removeAll() { memory.removeAll() }

  /// Retrieves for the block whose first chunk is `block`; each retrieved chunk's counter goes up. A
  /// query of zeros retrieves nothing.
  ///
  /// - Throws: `IndexingError` when an inner product is not finite.
  public func retrieve(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> Retrieved {
    precondition(query.count == dimension)
    event += 1
    var result: Retrieved = ([], [])
    guard liveCount > 0, query.contains(where: { $0 != 0 }) else { return result }
    for position in try select(query, block: block) {
      let score = memory.withKeys { product($0 + position * dimension, query.baseAddress!) }
      try checkFinite(score, block: block, position: position)
      result.rows.append(memory.rows[position])
      result.scores.append(score)
      memory.recordHit(position, event: event)
    }
    return result
  }

  /// Positions of the chunks retrieved, ascending: the newest that are always read, and behind them
  /// in time those that the selection takes from the rest.
  private func select(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> [Int] {
    let always = min(settings.alwaysRecent, liveCount)
    let (older, k) = (liveCount - always, settings.topK - always)
    let chosen: [Int] =
      switch settings.selection {
      case .nearest: try nearest(query, among: older, k: k, block: block)
      case .recent: Array(max(0, older - k)..<older)
      case .random:
        randomPositions(Array(rows.prefix(older)), k: k, seed: settings.seed, block: block)
      }
    return chosen + Array(older..<liveCount)
  }

  /// Of the `live` oldest.
  private func nearest(
    _ query: UnsafeBufferPointer<Float>, among live: Int, k: Int, block: Int
  ) throws -> [Int] {
    guard live > 0, k > 0 else { return [] }
    if scores.count < live { scores = [Float](repeating: 0, count: live + live / 2) }
    memory.withKeys { keys in
      scores.withUnsafeMutableBufferPointer {
        dotRows(
          $0.baseAddress!, keys: keys, query: query.baseAddress!, rows: live,
          dimension: dimension, workers: workers)
      }
    }
    return try scores.withUnsafeBufferPointer { scores in
      for position in 0..<live {
        try checkFinite(scores[position], block: block, position: position)
      }
      var best = BestRows(limit: k)
      best.offer(UnsafeBufferPointer(rebasing: scores[..<live]), base: 0)
      return best.rows.sorted()
    }
  }

  /// What each of several queries finds among the `seen` oldest live chunks, `topK` of them: as
  /// `retrieve` one by one where it is counted nowhere, but in one multiplication.
  ///
  /// - Parameters:
  ///   - queries: [q, dimension]
  ///   - blocks: the row of each query's block, for messages.
  func nearest(_ queries: [Float], seen: [Int], blocks: [Int]) throws -> [Retrieved] {
    var search = ExactSearch(
      queries: queries, dimension: dimension, topK: settings.topK, workers: workers)
    var bad: (query: Int, row: Int)?
    let count = seen.max() ?? 0
    if count > 0 {
      memory.withKeys { keys in
        for first in stride(from: 0, to: count, by: 2048) {
          let tile = UnsafeBufferPointer(
            start: keys + first * dimension, count: min(2048, count - first) * dimension)
          if let found = search.offer(tile, firstRow: first, seen: seen) {
            if bad.map({ found.query < $0.query }) ?? true { bad = found }
          }
        }
      }
    }
    if let bad { throw notFinite(block: blocks[bad.query], position: bad.row) }
    return search.answers.map { answer in
      let order = answer.neighbours.indices.sorted {
        answer.neighbours[$0] < answer.neighbours[$1]
      }
      return (
        order.map { memory.rows[answer.neighbours[$0]] }, order.map { answer.scores[$0] }
      )
    }
  }

  private func product(_ key: Floats, _ query: Floats) -> Float {
    var score: Float = 0
    dotRows(&score, keys: key, query: query, rows: 1, dimension: dimension, workers: workers)
    return score
  }

  /// An order of scores exists only where they are numbers.
  @inline(__always)
  private func checkFinite(_ score: Float, block: Int, position: Int) throws {
    guard score.isFinite else { throw notFinite(block: block, position: position) }
  }

  private func notFinite(block: Int, position: Int) -> IndexingError {
    IndexingError(
      "row \(block): the query's inner product with the key of row \(memory.rows[position]) "
        + "is not a finite number")
  }
}
