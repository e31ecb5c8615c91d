/// What a plan does, gathered from its blocks in order.
public struct PlanStatistics: Sendable {
  private var blocks = 0
  private var retrieving = 0
  private var lastRow = -1
  private var age = Distribution()
  private var live = Distribution()
  private var hits: [Int: Int] = [:]
  private var evictions = 0
  private var evictedRows = 0
  private var evictedAge = Distribution()

  public init() {}

  /// The next block of the plan.
  public mutating func add(_ block: PlannedBlock) {
    blocks += 1
    lastRow = max(lastRow, block.row)
    live.add(block.live)
    if !block.neighbours.isEmpty { retrieving += 1 }
    for row in block.neighbours {
      age.add(block.row - row)
      hits[row, default: 0] += 1
    }
    if !block.evicted.isEmpty { evictions += 1 }
    evictedRows += block.evicted.count
    // A segment may evict chunks that have only just entered, newer than its last block.
    for row in block.evicted { evictedAge.add(max(0, block.row - row)) }
  }

  public struct Summary: Codable, Equatable, Sendable {
    /// Retrieval blocks, and those among them that retrieve anything.
    public var rows: Int
    public var retrievingRows: Int
    /// Retrieved chunks over all blocks.
    public var hits: Int
    /// Chunks from the hit to the block that reads it.
    public var hitAge: Distribution.Summary
    /// Chunks before the last block: all that could have been retrieved.
    public var chunks: Int
    public var neverRetrieved: Int
    public var neverRetrievedShare: Double?
    /// Hits per chunk, over `chunks`.
    public var hitsPerChunk: Distribution.Summary
    /// Live chunks when a block is read.
    public var live: Distribution.Summary
    /// Segments that evicted, the rows they evicted, and the age of those (in chunks, 0 for
    /// chunks of the last block and later).
    public var evictions: Int
    public var evictedRows: Int
    public var evictedAge: Distribution.Summary
    /// With the embeddings at hand: what a longer memory would have retrieved.
    public var regret: EvictionRegret.Summary?
  }

  public func summary(regret: EvictionRegret.Summary? = nil) -> Summary {
    let chunks = max(0, lastRow)
    var perChunk = Distribution()
    for count in hits.values { perChunk.add(count) }
    let never = max(0, chunks - hits.count)
    perChunk.add(0, times: never)
    return Summary(
      rows: blocks, retrievingRows: retrieving, hits: age.total, hitAge: age.summary,
      chunks: chunks, neverRetrieved: never,
      neverRetrievedShare: chunks > 0 ? Double(never) / Double(chunks) : nil,
      hitsPerChunk: perChunk.summary, live: live.summary, evictions: evictions,
      evictedRows: evictedRows, evictedAge: evictedAge.summary, regret: regret)
  }
}

/// Rows that an unbounded memory with the plan's other rules would have retrieved, but that the
/// plan had evicted.
///
/// `unbounded` blocks come beside the plan's own, in the same order.
public struct EvictionRegret: Sendable {
  /// Row evicted → row of the block whose segment evicted it.
  private var evictedBy: [Int: Int] = [:]
  private var wanted = 0
  private var blocks = 0
  private var blocksMissing = 0
  private var age = Distribution()

  public init() {}

  /// - Throws: `IndexingError` when the two blocks are not the same block.
  public mutating func add(planned: PlannedBlock, unbounded: PlannedBlock) throws {
    guard planned.row == unbounded.row else {
      throw IndexingError(
        "the plan has a block at row \(planned.row), the embeddings at row \(unbounded.row)")
    }
    blocks += 1
    wanted += unbounded.neighbours.count
    var missing = false
    for row in unbounded.neighbours {
      guard let evictor = evictedBy[row] else { continue }
      age.add(max(0, planned.row - evictor))
      missing = true
    }
    if missing { blocksMissing += 1 }
    for row in planned.evicted { evictedBy[row] = planned.row }
  }

  public struct Summary: Codable, Equatable, Sendable {
    /// Rows that the unbounded memory retrieves.
    public var wanted: Int
    /// Those among them that the plan had evicted.
    public var evicted: Int
    public var evictedShare: Double?
    /// Blocks that miss at least one row for this reason.
    public var blocks: Int
    public var blocksShare: Double?
    /// Chunks from the evicting block to the block that misses the row.
    public var sinceEviction: Distribution.Summary
  }

  public var summary: Summary {
    Summary(
      wanted: wanted, evicted: age.total,
      evictedShare: wanted > 0 ? Double(age.total) / Double(wanted) : nil, blocks: blocksMissing,
      blocksShare: blocks > 0 ? Double(blocksMissing) / Double(blocks) : nil,
      sinceEviction: age.summary)
  }
}
