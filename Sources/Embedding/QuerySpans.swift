/// Which text a retrieval block is queried with (DESIGN §1.2).
public enum QueryProtocol: String, CaseIterable, Sendable {
  /// The tokens just before the block: what a causal model has seen.
  case previous
  /// The block's own last tokens: the published protocol, which sees what is to be predicted.
  case current
  /// Keys only.
  case none
}

/// A chunk as far as embedding is concerned.
public struct ChunkText: Sendable {
  /// The stream of a concatenation it came from.
  public var stream: Int
  public var document: Int64
  public var segment: Int32
  /// Valid tokens of the language model, at most the stream's `chunk_tokens`.
  public var tokens: Int
  /// UTF-8 that need not be whole: a character cut at the chunk's edge holds U+FFFD.
  public var text: [UInt8]

  public init(stream: Int, document: Int64, segment: Int32, tokens: Int, text: [UInt8]) {
    self.stream = stream
    self.document = document
    self.segment = segment
    self.tokens = tokens
    self.text = text
  }
}

/// A text to embed, in the order in which the vectors are written: a block's query stands just
/// before the key of the block's first row.
public enum EmbeddingRequest: Equatable, Sendable {
  case key(document: Int64, segment: Int32, text: [UInt8])
  /// `text` is empty where nothing stands before the block: its query is the zero vector.
  case query(row: Int, text: [UInt8])
}

/// Cuts a stream of chunks into retrieval blocks and finds the text of each block's query.
///
/// A segment's rows are cut into blocks of `blockTokens / chunkTokens` rows, the last one shorter
/// where the segment is. A query is the text of the longest run of whole chunks that ends where
/// the query must end and holds at most `queryTokens` tokens, so short chunks inside a document
/// let it reach further back. Memory: one query's chunks, and with `current` one block's.
public struct QuerySpans {
  public let queryProtocol: QueryProtocol
  /// W and R; W is 0 where there are no queries.
  public let queryTokens, blockTokens: Int
  private let rowsPerBlock: Int
  private let crossesDocuments: Bool

  private var row = 0
  private var last: ChunkText?
  private var rowsInBlock = 0
  /// `previous`: the chunks before the next row that fit a query.
  private var window = SpanWindow()
  /// `current`: the block so far, held back until its query is known.
  private var block: [ChunkText] = []

  /// - Parameters: all in tokens of the language model.
  ///   - queryTokens: W, a multiple of `chunkTokens`.
  ///   - blockTokens: R, a multiple of `chunkTokens` that divides `segmentTokens`.
  ///   - crossesDocuments: the stream is packed: its documents follow each other in one segment.
  /// - Throws: `EmbeddingError` naming the option and its legal values.
  public init(
    protocol queryProtocol: QueryProtocol, queryTokens: Int, blockTokens: Int, chunkTokens: Int,
    segmentTokens: Int, crossesDocuments: Bool
  ) throws {
    guard chunkTokens > 0, segmentTokens > 0 else {
      throw EmbeddingError(
        "chunk_tokens \(chunkTokens) and segment_tokens \(segmentTokens) must be positive")
    }
    guard queryTokens <= Int(Int32.max) else {
      throw EmbeddingError("--query-tokens \(queryTokens) is more than \(Int32.max)")
    }
    guard queryTokens > 0, queryTokens % chunkTokens == 0 else {
      throw EmbeddingError(
        "--query-tokens \(queryTokens) is not a positive multiple of chunk_tokens \(chunkTokens):"
          + " a chunk stream holds text per chunk only")
    }
    guard blockTokens > 0, blockTokens % chunkTokens == 0 else {
      throw EmbeddingError(
        "--block-tokens \(blockTokens) is not a positive multiple of chunk_tokens \(chunkTokens)")
    }
    guard segmentTokens % blockTokens == 0 else {
      throw EmbeddingError(
        "--block-tokens \(blockTokens) does not divide segment_tokens \(segmentTokens)")
    }
    self.queryProtocol = queryProtocol
    self.queryTokens = queryProtocol == .none ? 0 : queryTokens
    self.blockTokens = blockTokens
    rowsPerBlock = blockTokens / chunkTokens
    self.crossesDocuments = crossesDocuments
  }

  /// The longest query that a retriever reads whole: `maximumLength` rounded down to whole
  /// chunks, and at least one.
  public static func defaultQueryTokens(maximumLength: Int, chunkTokens: Int) -> Int {
    chunkTokens > 0 ? max(maximumLength / chunkTokens, 1) * chunkTokens : chunkTokens
  }

  /// Takes the next row; hands over the requests that are complete with it, in output order.
  public mutating func append(_ chunk: ChunkText, _ emit: (EmbeddingRequest) throws -> Void) throws
  {
    let startsStream = last.map { $0.stream != chunk.stream } ?? true
    let startsDocument = startsStream || (!crossesDocuments && last?.document != chunk.document)
    let startsSegment = startsDocument || last?.segment != chunk.segment
    let startsBlock = startsSegment || rowsInBlock == rowsPerBlock
    if startsDocument { window = SpanWindow() }
    if startsBlock {
      try flushBlock(emit)
      rowsInBlock = 0
    }
    switch queryProtocol {
    case .none:
      try emit(chunk.key)
    case .previous:
      if startsBlock { try emit(.query(row: row, text: window.text)) }
      try emit(chunk.key)
      window.append(chunk, limit: queryTokens)
    case .current:
      block.append(chunk)
    }
    rowsInBlock += 1
    row += 1
    last = chunk
    last?.text = []
  }

  /// After the last row.
  public mutating func finish(_ emit: (EmbeddingRequest) throws -> Void) throws {
    try flushBlock(emit)
  }

  /// The held block of `current`: its query, then its keys.
  private mutating func flushBlock(_ emit: (EmbeddingRequest) throws -> Void) throws {
    guard !block.isEmpty else { return }
    var own = SpanWindow()
    for chunk in block { own.append(chunk, limit: queryTokens) }
    try emit(.query(row: row - block.count, text: own.text))
    for chunk in block { try emit(chunk.key) }
    block.removeAll(keepingCapacity: true)
  }
}

extension ChunkText {
  fileprivate var key: EmbeddingRequest { .key(document: document, segment: segment, text: text) }
}

/// The last whole chunks that hold at most a given number of tokens.
private struct SpanWindow {
  private var chunks: ArraySlice<ChunkText> = []
  private var tokens = 0

  var text: [UInt8] { chunks.flatMap(\.text) }

  mutating func append(_ chunk: ChunkText, limit: Int) {
    chunks.append(chunk)
    tokens += chunk.tokens
    while tokens > limit { tokens -= chunks.removeFirst().tokens }
  }
}
