import ShardIO

/// What holds for all rows of kind `plan`.
public struct PlanParameters: Equatable, Sendable {
  public var topK: Int
  /// Capacity of the memory in tokens; 0 where it is unbounded.
  public var memoryTokens: Int
  /// `counter`, `fifo`, `lru` or `none`; `document` or `never`; `nearest`, `recent`, `random` or `oracle`.
  public var eviction: String
  public var reset: String
  public var select: String
  public var seed: UInt64
  /// What the plan was made from; nil until it is known.
  public var chunksDigest: Digest?
  public var embeddingsDigest: Digest?
  /// Chunk rows that the plan was made for; nil until it is known. A reader of several streams
  /// shifts the rows of the later ones by it.
  public var chunkRows: Int?
  /// Copied from the embeddings, so that results can name their protocol.
  public var query: String
  public var queryTokens: Int
  public var blockTokens: Int
  public var chunkTokens: Int
  public var segmentTokens: Int?
  /// Of the `topK` chunks, the newest so many are always read.
  public var recentChunks: Int
  /// Local context of the reader that the plan was made for; nil: the segment alone.
  public var contextTokens: Int?
  /// The layout of the reader's memory that it was made for; nil: any.
  public var layout: String?

  /// The newest chunks that the reader's context still holds.
  public var heldBack: Int {
    guard let contextTokens, let segmentTokens, chunkTokens > 0 else { return 0 }
    return max(0, contextTokens - segmentTokens) / chunkTokens
  }

  public init(
    topK: Int, memoryTokens: Int, eviction: String, reset: String, select: String = "nearest",
    seed: UInt64 = 0, chunksDigest: Digest? = nil, embeddingsDigest: Digest? = nil,
    chunkRows: Int? = nil, query: String, queryTokens: Int, blockTokens: Int, chunkTokens: Int,
    segmentTokens: Int? = nil, recentChunks: Int = 0, contextTokens: Int? = nil,
    layout: String? = nil
  ) {
    self.topK = topK
    self.memoryTokens = memoryTokens
    self.eviction = eviction
    self.reset = reset
    self.select = select
    self.seed = seed
    self.chunksDigest = chunksDigest
    self.embeddingsDigest = embeddingsDigest
    self.chunkRows = chunkRows
    self.query = query
    self.queryTokens = queryTokens
    self.blockTokens = blockTokens
    self.chunkTokens = chunkTokens
    self.segmentTokens = segmentTokens
    self.recentChunks = recentChunks
    self.contextTokens = contextTokens
    self.layout = layout
  }

  var encoded: [String: String] {
    var parameters = [
      "top_k": String(topK), "memory_tokens": String(memoryTokens), "eviction": eviction,
      "reset": reset, "select": select, "seed": String(seed),
      "chunks_digest": chunksDigest?.description ?? "",
      "embeddings_digest": embeddingsDigest?.description ?? "", "query": query,
      "query_tokens": String(queryTokens), "block_tokens": String(blockTokens),
      "chunk_tokens": String(chunkTokens),
    ]
    parameters["chunk_rows"] = chunkRows.map(String.init)
    parameters["segment_tokens"] = segmentTokens.map(String.init)
    if recentChunks > 0 { parameters["recent_chunks"] = String(recentChunks) }
    parameters["context_tokens"] = contextTokens.map(String.init)
    parameters["layout"] = layout
    return parameters
  }

  init(block: ShardBlock) throws {
    let tokens = 0...Int(Int32.max)
    topK = try block.integer("top_k", in: 0...1 << 20)
    memoryTokens = try block.integer("memory_tokens", in: 0...1 << 48)
    eviction = try block.string("eviction", among: ["counter", "fifo", "lru", "none"])
    reset = try block.string("reset", among: ["document", "never"])
    select =
      try block.parameters["select"] == nil
      ? "nearest" : block.string("select", among: ["nearest", "recent", "random", "oracle"])
    guard let seed = UInt64(block.parameters["seed"] ?? "0") else {
      throw block.error("parameter seed is no number")
    }
    self.seed = seed
    chunksDigest = try block.digest("chunks_digest")
    embeddingsDigest = try block.digest("embeddings_digest")
    chunkRows = try block.optionalInteger("chunk_rows", in: 0...1 << 48)
    query = block.parameters["query"] ?? "none"
    queryTokens = try block.optionalInteger("query_tokens", in: tokens) ?? 0
    blockTokens = try block.optionalInteger("block_tokens", in: tokens) ?? 0
    chunkTokens = try block.optionalInteger("chunk_tokens", in: tokens) ?? 0
    segmentTokens = try block.optionalInteger("segment_tokens", in: tokens)
    recentChunks = try block.optionalInteger("recent_chunks", in: 0...1 << 20) ?? 0
    contextTokens = try block.optionalInteger("context_tokens", in: tokens)
    layout =
      try block.parameters["layout"] == nil
      ? nil : block.string("layout", among: ["published", "upper", "all"])
  }
}

/// One row of kind `plan`: what one retrieval block reads.
public struct PlanRow: Equatable, Sendable {
  /// The first chunk row of the block.
  public var row: Int64
  /// The retrieved chunk rows in time order, at most `topK`; and their scores.
  public var neighbours: [Int64]
  public var scores: [Float]
  /// Chunks in memory when the block asked.
  public var live: Int32
  /// Chunk rows evicted right after this block's segment.
  public var evicted: [Int64]

  public init(
    row: Int64, neighbours: [Int64], scores: [Float], live: Int32, evicted: [Int64] = []
  ) {
    self.row = row
    self.neighbours = neighbours
    self.scores = scores
    self.live = live
    self.evicted = evicted
  }
}

/// Rows that were read together. Chunk rows count within the whole input.
public struct PlanBatch: Sendable {
  public let rows: [PlanRow]
  public let stream: Int
}
