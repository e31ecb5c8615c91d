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
  let plan: RetrievalPlan
  public private(set) var bank = MemoryBank()

  public init(plan: RetrievalPlan) { self.plan = plan }

  /// The retrieval blocks of `segment` with the chunks that the plan names.
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
  public mutating func advance(past segment: PlannedSegment, _ pass: DecoderPass) {
    let rows = segment.firstRow..<segment.firstRow + segment.chunkLengths.count
    for row in rows { bank.finish(block: row) }
    var token = 0
    for (row, length) in zip(rows, segment.chunkLengths) {
      let lastUse = plan.lastUse(of: row)
      if lastUse >= rows.upperBound {
        bank.insert(pass.memoryChunk(token..<token + length), row: row, lastUse: lastUse)
      }
      token += length
    }
  }
}
