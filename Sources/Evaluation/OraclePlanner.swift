import Modeling

/// Finds the chunks in memory that help most: an upper bound for what retrieval of single chunks gives.
///
/// A block's candidates are all chunks that its plan's memory holds. Each is read alone; its gain is
/// what it takes off the negative log-likelihood of the tokens that the block predicts. The best ones
/// that gain anything are chosen. This looks at the text to be predicted, as no retriever may.
public final class OraclePlanner {
  /// A row of the plan that is improved on.
  public struct Block: Equatable, Sendable {
    /// Rows of chunks: the block's first, those it reads, those that leave memory after its segment.
    public var row: Int
    public var neighbours: [Int]
    public var evicted: [Int]

    public init(row: Int, neighbours: [Int], evicted: [Int]) {
      self.row = row
      self.neighbours = neighbours
      self.evicted = evicted
    }
  }

  /// Chunk rows in time order, and their gains in nats.
  public struct Choice: Equatable, Sendable {
    public var neighbours: [Int]
    public var gains: [Double]
  }

  private let pass: DecoderPass
  private var context: LaneContext?
  /// What the running segment continues.
  private var cache: LocalCache?
  private let heldBack: Int
  /// Chunk rows that are not in memory yet, because the context holds them, begin here.
  private var firstHeld = 0
  private var documentStart = 0
  private let topK: Int
  private let resets: Bool
  private let every: Int
  /// Segments that were read.
  public private(set) var segments = 0
  private var live: [Int: MemoryChunk] = [:]
  private var document: Int?

  /// - Parameters:
  ///   - segmentTokens: the longest segment.
  ///   - context: what segments are read beside; nil: they are read alone.
  ///   - heldBack: the newest chunks of a document that are not in memory yet, because the context holds
  ///     them.
  ///   - resets: whether memory is emptied between documents.
  ///   - every: searches in each segment whose number from 1 is a multiple of it.
  public init(
    _ decoder: Decoder, topK: Int, segmentTokens: Int, context: SlidingContext? = nil,
    heldBack: Int = 0, resets: Bool, every: Int
  ) {
    precondition(topK > 0 && every > 0)
    self.context = context.map {
      LaneContext(
        $0, decoder, layers: 0..<decoder.layers.count, segmentTokens: segmentTokens,
        documentTokens: .max)
    }
    self.heldBack = heldBack
    pass = DecoderPass(decoder, maximumTokens: segmentTokens)
    self.topK = topK
    self.resets = resets
    self.every = every
  }

  /// Chunks that the next segment may read.
  public var liveChunks: Int { live.count }

  /// Reads the lane's next segment.
  ///
  /// - Returns: for each block its best chunks; nil where the plan's were left.
  /// - Throws: `ModelError` where the plan's blocks are not the segment's, or read what is not in memory.
  public func read(_ segment: PlannedSegment, blocks: [Block]) throws -> [Choice?] {
    begin(segment)
    segments += 1
    let queries = try ranges(of: blocks, in: segment)
    let targets = Segment.shifted(segment.tokens, last: segment.nextToken)
    let choices: [Choice?] =
      segments % every == 0
      ? best(segment.tokens, targets, queries) : blocks.map { _ in nil }
    // Once more with all that is read: with memory of their own, later layers depend on it.
    let read = try blocks.indices.map { index in
      let rows = choices[index]?.neighbours ?? blocks[index].neighbours
      return Segment.Block(queries: queries[index], chunks: try rows.map(chunk))
    }
    pass.forward(Segment(tokens: segment.tokens, targets: targets, blocks: read), cache: cache)
    keep(segment)
    for row in blocks.flatMap(\.evicted) { live[row] = nil }
    return choices
  }

  private func begin(_ segment: PlannedSegment) {
    if segment.document != document {
      if resets { live = [:] }
      documentStart = segment.firstRow
    }
    document = segment.document
    firstHeld = max(documentStart, segment.firstRow - heldBack)
    cache = context?.cache(before: segment)
  }

  /// Each chunk in memory beside no chunk at all, for all blocks at once.
  private func best(_ tokens: [Int32], _ targets: [Int32], _ queries: [Range<Int>]) -> [Choice] {
    func losses(_ chunks: [MemoryChunk]) -> [Double] {
      let blocks = queries.map { Segment.Block(queries: $0, chunks: chunks) }
      let start = cache?.count ?? 0
      pass.forward(
        Segment(tokens: tokens, targets: targets, blocks: chunks.isEmpty ? [] : blocks),
        cache: cache)
      if let cache { cache.remove(start..<cache.count) }
      var found = pass.losses(targets)[...]
      let each = targets.map { $0 < 0 ? 0 : found.removeFirst() }
      return queries.map { each[$0].reduce(0, +) }
    }
    let alone = losses([])
    var gains = queries.map { _ in [(row: Int, gain: Double)]() }
    for (row, chunk) in live.sorted(by: { $0.key < $1.key }) where row < firstHeld {
      for (block, loss) in losses([chunk]).enumerated() where loss < alone[block] {
        gains[block].append((row, alone[block] - loss))
      }
    }
    return gains.map { found in
      let chosen = found.sorted { ($1.gain, $0.row) < ($0.gain, $1.row) }.prefix(topK)
        .sorted { $0.row < $1.row }
      return Choice(neighbours: chosen.map(\.row), gains: chosen.map(\.gain))
    }
  }

  private func chunk(_ row: Int) throws -> MemoryChunk {
    guard let chunk = live[row] else {
      throw ModelError("the plan retrieves chunk \(row), which is not in memory")
    }
    return chunk
  }

  private func keep(_ segment: PlannedSegment) {
    var token = 0
    for (index, length) in segment.chunkLengths.enumerated() {
      live[segment.firstRow + index] = pass.memoryChunk(token..<token + length)
      token += length
    }
  }

  /// The queries of each block.
  private func ranges(of blocks: [Block], in segment: PlannedSegment) throws -> [Range<Int>] {
    var starts: [Int] = []
    var token = 0
    for (index, length) in segment.chunkLengths.enumerated() {
      if starts.count < blocks.count, blocks[starts.count].row == segment.firstRow + index {
        starts.append(token)
      }
      token += length
    }
    guard starts.first == 0, starts.count == blocks.count else {
      throw ModelError("the plan's blocks are not those of the segment at row \(segment.firstRow)")
    }
    return zip(starts, starts.dropFirst() + [token]).map { $0..<$1 }
  }
}
