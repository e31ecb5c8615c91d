/// Which chunks every retrieval block reads, by the block's first chunk row (DESIGN §1.1).
public struct RetrievalPlan: Sendable {
  private var neighbours: [Int: ArraySlice<Int>] = [:]
  /// lastUse[row] is the first row of the last block that reads chunk `row`, −1 where none does.
  private var lastUse: [Int] = []

  public init() {}

  public var isEmpty: Bool { neighbours.isEmpty }
  public var blockCount: Int { neighbours.count }

  /// Adds the block that starts at `row` and reads `chunks`, rows in time order.
  public mutating func append(row: Int, neighbours chunks: [Int]) {
    neighbours[row] = chunks[...]
    for chunk in chunks {
      while lastUse.count <= chunk { lastUse.append(-1) }
      lastUse[chunk] = max(lastUse[chunk], row)
    }
  }

  /// Retrieved chunks of all blocks together, and of the one that reads most.
  public var retrievals: (total: Int, most: Int) {
    neighbours.values.reduce(into: (0, 0)) { counts, chunks in
      counts.0 += chunks.count
      counts.1 = max(counts.1, chunks.count)
    }
  }

  /// The most chunks of `rows` that a bank holds at once while a lane reads these rows in order. An upper
  /// bound where a segment has several blocks.
  public func peakChunks(in rows: Range<Int>) -> Int {
    var expiring: [Int: Int] = [:]
    var (held, peak) = (0, 0)
    for row in rows {
      held -= expiring.removeValue(forKey: row) ?? 0
      let lastUse = lastUse(of: row)
      guard lastUse > row else { continue }
      expiring[lastUse, default: 0] += 1
      held += 1
      peak = max(peak, held)
    }
    return peak
  }

  /// The same blocks, of which none but the last reads anything.
  public var readingLast: RetrievalPlan {
    var plan = RetrievalPlan()
    let last = neighbours.keys.max()
    for (row, chunks) in neighbours {
      plan.append(row: row, neighbours: row == last ? Array(chunks) : [])
    }
    return plan
  }

  func neighbours(of row: Int) -> ArraySlice<Int>? { neighbours[row] }

  func lastUse(of row: Int) -> Int { row < lastUse.count ? lastUse[row] : -1 }
}

/// A segment of a lane as the plan sees it: chunk rows and their tokens.
public struct PlannedSegment: Sendable {
  /// The row of the segment's first chunk.
  public var firstRow: Int
  public var chunkLengths: [Int]
  public var tokens: [Int32]
  /// The token after the last one in the same document, −1 at its end.
  public var nextToken: Int32
  public var document: Int

  public init(
    firstRow: Int, chunkLengths: [Int], tokens: [Int32], nextToken: Int32, document: Int
  ) {
    self.firstRow = firstRow
    self.chunkLengths = chunkLengths
    self.tokens = tokens
    self.nextToken = nextToken
    self.document = document
  }
}

/// The segments of one lane, in order.
public protocol SegmentSource {
  /// The next segment, nil at the lane's end.
  mutating func next() throws -> PlannedSegment?
}

/// The memory of one lane while it follows a plan.
public struct LaneMemory: Sendable {
  public let plan: RetrievalPlan
  public private(set) var bank = MemoryBank()

  public init(plan: RetrievalPlan) { self.plan = plan }

  /// A memory that goes on where another one stood.
  public init(plan: RetrievalPlan, bank: MemoryBank) {
    self.plan = plan
    self.bank = bank
  }

  /// How many chunks `segment` retrieves, and the sum of their ages: rows between a chunk and the
  /// block that reads it.
  public func hits(of segment: PlannedSegment) -> (count: Int, age: Int) {
    var (count, age) = (0, 0)
    for index in segment.chunkLengths.indices {
      let row = segment.firstRow + index
      for chunk in plan.neighbours(of: row) ?? [] {
        count += 1
        age += row - chunk
      }
    }
    return (count, age)
  }

  /// The retrieval blocks of `segment` with the chunks that the plan names. What the segment after it
  /// reads is announced, so that it is read from a file meanwhile.
  ///
  /// - Throws: `ModelError` when the plan has no row for the segment, or names a chunk that has not
  ///   been read: the plan was made from other chunks.
  public func blocks(of segment: PlannedSegment) throws -> [Segment.Block] {
    guard !plan.isEmpty else { return [] }
    var starts: [(row: Int, token: Int)] = []
    var token = 0
    for (index, length) in segment.chunkLengths.enumerated() {
      if plan.neighbours(of: segment.firstRow + index) != nil {
        starts.append((segment.firstRow + index, token))
      }
      token += length
    }
    for row in rows(readAfter: segment) { bank[row]?.expectReading() }
    guard starts.first?.row == segment.firstRow else {
      throw ModelError("the plan has no row for the segment at chunk row \(segment.firstRow)")
    }
    return try starts.indices.map { index in
      let start = starts[index]
      let end = index + 1 < starts.count ? starts[index + 1].token : token
      let chunks = try (plan.neighbours(of: start.row) ?? []).map { row in
        guard let chunk = bank[row] else {
          throw ModelError("plan row \(start.row) retrieves chunk \(row), which is not in memory")
        }
        return chunk
      }
      return Segment.Block(queries: start.token..<end, chunks: chunks)
    }
  }

  /// After a forward pass: forgets what no later block reads, keeps the segment's chunks that one does.
  ///
  /// - Throws: where the decoder's `memoryStore` has no room for them.
  public mutating func advance(past segment: PlannedSegment, _ pass: DecoderPass) throws {
    let rows = self.rows(of: segment)
    for row in rows { bank.finish(block: row) }
    let next = self.rows(readAfter: segment)
    for row in self.rows(readBy: rows) where !next.contains(row) { bank[row]?.expectRest() }
    var token = 0
    for (row, length) in zip(rows, segment.chunkLengths) {
      if keeps(row: row, of: segment) {
        bank.insert(
          try pass.storedChunk(token..<token + length), row: row, lastUse: plan.lastUse(of: row))
      }
      token += length
    }
  }

  /// Goes past a segment that no later one reads, without a forward pass.
  ///
  /// - Returns: false where one does: the segment has to be read.
  public mutating func skip(_ segment: PlannedSegment) -> Bool {
    let rows = self.rows(of: segment)
    guard !rows.contains(where: { keeps(row: $0, of: segment) }) else { return false }
    for row in rows { bank.finish(block: row) }
    return true
  }

  private func rows(of segment: PlannedSegment) -> Range<Int> {
    segment.firstRow..<segment.firstRow + segment.chunkLengths.count
  }

  /// The chunks that the next segment reads, if it has as many chunks as `segment`.
  private func rows(readAfter segment: PlannedSegment) -> Set<Int> {
    let rows = self.rows(of: segment)
    return self.rows(readBy: rows.upperBound..<rows.upperBound + rows.count)
  }

  private func rows(readBy blocks: Range<Int>) -> Set<Int> {
    Set(blocks.flatMap { plan.neighbours(of: $0) ?? [] })
  }

  /// Whether a later segment reads the chunk `row` of `segment`.
  func keeps(row: Int, of segment: PlannedSegment) -> Bool {
    plan.lastUse(of: row) >= segment.firstRow + segment.chunkLengths.count
  }
}
