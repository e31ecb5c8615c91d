import Kernels

/// What one retrieval block reads, and what its segment made the memory forget.
public struct PlannedBlock: Equatable, Sendable {
  /// First chunk row of the block.
  public var row: Int
  /// Rows retrieved, ascending (in time order), at most k.
  public var neighbours: [Int]
  /// Inner product of each neighbour's key with the query.
  public var scores: [Float]
  /// Live chunks when the block was read.
  public var live: Int
  /// Rows evicted between this block and the next one, ascending: only a segment's last block has
  /// any.
  public var evicted: [Int]

  public init(row: Int, neighbours: [Int], scores: [Float], live: Int, evicted: [Int]) {
    self.row = row
    self.neighbours = neighbours
    self.scores = scores
    self.live = live
    self.evicted = evicted
  }
}

/// The memory of DESIGN §1, simulated over a stream of chunks: which chunks each block retrieves.
///
/// Chunks come in order through `append`; rows count from 0. Memory taken is that of the live keys
/// and of one segment. A block sees the chunks of completed segments only: its hits count at once,
/// its segment's chunks enter after the segment with counter 0, then the eviction rule applies,
/// then, when the document changes and `reset` is `document`, the memory is emptied.
///
/// Results do not depend on how the chunks are batched or on the thread count: every inner product
/// is summed in one fixed order.
public final class MemoryPlanner {
  public let settings: MemorySettings
  public let dimension: Int
  private let workers: Workers
  private let emit: (PlannedBlock) throws -> Void

  private var memory: ChunkMemory
  /// Row of the next chunk: chunks appended so far.
  public private(set) var nextRow = 0
  /// Blocks begun so far, which number the segments of batches that do not.
  private(set) var blocksBegun = 0
  /// Ticks at every block's retrieval and at every segment's entry, in the order they happen.
  private var event = 0
  private var place: Place?
  /// The latest block: its segment's evictions are not known before the segment has ended.
  private var held: PlannedBlock?
  private var scores: [Float] = []

  /// - Parameters:
  ///   - dimension: components of every key and query, ≥ 1.
  ///   - workers: threads for the inner products; no effect on the result.
  ///   - emit: receives one block after the other, in row order.
  public init(
    _ settings: MemorySettings, dimension: Int, workers: Workers,
    emit: @escaping (PlannedBlock) throws -> Void
  ) {
    precondition(dimension >= 1)
    self.settings = settings
    self.dimension = dimension
    self.workers = workers
    self.emit = emit
    memory = ChunkMemory(dimension: dimension)
  }

  /// Where a chunk stands: its document (a stream's documents are its own) and its segment.
  struct Place: Equatable {
    var stream: Int
    var document: Int64
    var segment: Int64

    func isSameDocument(as other: Place) -> Bool {
      stream == other.stream && document == other.document
    }
  }

  /// The next chunk.
  ///
  /// - Parameters:
  ///   - key: [dimension]
  ///   - query: [dimension] when a block starts with this chunk, else nil. A query of zeros
  ///     retrieves nothing.
  ///   - document, segment, stream: a change of any ends the running segment; a change of
  ///     `document` or `stream` also resets.
  /// - Throws: `IndexingError` when an inner product is not finite; what `emit` throws.
  public func append(
    key: UnsafeBufferPointer<Float>, query: UnsafeBufferPointer<Float>?, document: Int64,
    segment: Int64, stream: Int = 0
  ) throws {
    let next = Place(stream: stream, document: document, segment: segment)
    if let place, place != next {
      completeSegment()
      if settings.reset == .document, !place.isSameDocument(as: next) { memory.removeAll() }
    }
    place = next
    if let query {
      blocksBegun += 1
      if let held { try emit(held) }
      held = try retrieve(query, block: nextRow)
    }
    memory.store(row: nextRow, key: key)
    nextRow += 1
  }

  /// Ends the last segment and emits the last block. Nothing may be appended afterwards.
  public func finish() throws {
    completeSegment()
    if let held { try emit(held) }
    held = nil
  }

  /// The segment's chunks enter, then the eviction rule applies. Where a segment has no block of
  /// its own (data of others), what it evicts belongs to the block before: that is what the next
  /// block no longer finds.
  private func completeSegment() {
    event += 1
    memory.admit(event: event)
    let gone = evictedPositions(
      settings.eviction, capacity: settings.capacity, hits: memory.hits, lastUse: memory.lastUse)
    guard !gone.isEmpty else { return }
    if var block = held {
      block.evicted += gone.map { memory.rows[$0] }
      block.evicted.sort()
      held = block
    }
    memory.remove(gone)
  }

  private func retrieve(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> PlannedBlock {
    precondition(query.count == dimension)
    let live = memory.liveCount
    event += 1
    var result = PlannedBlock(row: block, neighbours: [], scores: [], live: live, evicted: [])
    guard live > 0, query.contains(where: { $0 != 0 }) else { return result }
    for position in try select(query, block: block) {
      let score = memory.withKeys { product($0 + position * dimension, query.baseAddress!) }
      try checkFinite(score, block: block, position: position)
      result.neighbours.append(memory.rows[position])
      result.scores.append(score)
      memory.recordHit(position, event: event)
    }
    return result
  }

  /// Positions of the chunks retrieved, ascending.
  private func select(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> [Int] {
    let live = memory.liveCount
    switch settings.selection {
    case .nearest: return try nearest(query, block: block)
    case .recent: return Array(max(0, live - settings.topK)..<live)
    case .random:
      let rows = Array(memory.rows[..<live])
      return randomPositions(rows, k: settings.topK, seed: settings.seed, block: block)
    }
  }

  private func nearest(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> [Int] {
    let live = memory.liveCount
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
      var best = BestRows(limit: settings.topK)
      best.offer(UnsafeBufferPointer(rebasing: scores[..<live]), base: 0)
      return best.rows.sorted()
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
    guard score.isFinite else {
      throw IndexingError(
        "row \(block): the query's inner product with the key of row \(memory.rows[position]) "
          + "is not a finite number")
    }
  }
}
