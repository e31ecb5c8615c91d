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
/// Chunks come in order through `append`; rows count from 0. Memory taken is that of the live keys,
/// of one segment and of the chunks held back. A block sees the chunks of completed segments only: its
/// hits count at once, its segment's chunks enter after the segment with counter 0 (with `heldBack`,
/// those of the document that are not among the newest so many), then the eviction rule applies,
/// then, when the document changes and `reset` is `document`, the memory is emptied.
///
/// Results do not depend on how the chunks are batched or on the thread count: every inner product
/// is summed in one fixed order.
public final class MemoryPlanner {
  public let settings: MemorySettings
  public let dimension: Int
  private let emit: (PlannedBlock) throws -> Void

  private let memory: LiveMemory
  /// Row of the next chunk: chunks appended so far.
  public private(set) var nextRow = 0
  /// Blocks begun so far, which number the segments of batches that do not.
  private(set) var blocksBegun = 0
  private var place: Place?
  /// The latest block: its segment's evictions are not known before the segment has ended.
  private var held: PlannedBlock?
  /// Where no retrieval changes a later one: blocks that wait to be multiplied together, with the
  /// chunks that were live for each.
  private var waiting: [(row: Int, live: Int)] = []
  private var waitingQueries: [Float] = []
  private static let group = 128

  /// - Parameters:
  ///   - dimension: components of every key and query, ≥ 1.
  ///   - workers: threads for the inner products; no effect on the result.
  ///   - emit: receives one block after the other, in row order.
  public init(
    _ settings: MemorySettings, dimension: Int, workers: Workers,
    emit: @escaping (PlannedBlock) throws -> Void
  ) {
    self.settings = settings
    self.dimension = dimension
    self.emit = emit
    memory = LiveMemory(settings, dimension: dimension, workers: workers)
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
      let isEnd = !place.isSameDocument(as: next)
      completeSegment(isEnd: isEnd)
      if settings.reset == .document, isEnd {
        try retrieveWaiting()
        memory.removeAll()
      }
    }
    place = next
    if let query {
      blocksBegun += 1
      try begin(query)
    }
    memory.store(row: nextRow, key: key)
    nextRow += 1
  }

  /// Ends the last segment and emits the last block. Nothing may be appended afterwards.
  public func finish() throws {
    completeSegment(isEnd: true)
    try retrieveWaiting()
    if let held { try emit(held) }
    held = nil
  }

  /// A block starts with the next chunk.
  private func begin(_ query: UnsafeBufferPointer<Float>) throws {
    guard settings.eviction == .none, settings.selection == .nearest, settings.alwaysRecent == 0
    else {
      if let held { try emit(held) }
      held = try retrieve(query, block: nextRow)
      return
    }
    precondition(query.count == dimension)
    waiting.append((nextRow, memory.liveCount))
    waitingQueries.append(contentsOf: query)
    if waiting.count == Self.group { try retrieveWaiting() }
  }

  private func retrieveWaiting() throws {
    guard !waiting.isEmpty else { return }
    let found = try memory.nearest(
      waitingQueries, seen: waiting.map(\.live), blocks: waiting.map(\.row))
    for (block, found) in zip(waiting, found) {
      try emit(
        PlannedBlock(
          row: block.row, neighbours: found.rows, scores: found.scores, live: block.live,
          evicted: []))
    }
    waiting.removeAll(keepingCapacity: true)
    waitingQueries.removeAll(keepingCapacity: true)
  }

  /// The segment's chunks enter, then the eviction rule applies. Where a segment has no block of
  /// its own (data of others), what it evicts belongs to the block before: that is what the next
  /// block no longer finds.
  private func completeSegment(isEnd: Bool) {
    let gone = memory.enter(isEnd: isEnd)
    guard !gone.isEmpty, var block = held else { return }
    block.evicted += gone
    block.evicted.sort()
    held = block
  }

  private func retrieve(_ query: UnsafeBufferPointer<Float>, block: Int) throws -> PlannedBlock {
    let live = memory.liveCount
    let found = try memory.retrieve(query, block: block)
    return PlannedBlock(
      row: block, neighbours: found.rows, scores: found.scores, live: live, evicted: [])
  }
}
