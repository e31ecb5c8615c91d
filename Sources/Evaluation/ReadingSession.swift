import Indexing
import Modeling

/// Reads a text that may grow without end: the latest tokens stand in a cache of fixed size, what
/// leaves it becomes chunks of the memory, and what is read next retrieves from there (DESIGN §1).
///
/// This is the published decoding (SEMANTICS §8) with the eviction rule that is described: when the
/// cache is full, its older half goes. A query is the last tokens before the block, so retrieval is
/// causal.
///
/// Tasks whose texts are whole beforehand go by `DocumentPlanner` and `PromptReader`: all is embedded in
/// batches, and only what the prompt reads is computed. Here what comes next is not known, and chunks are
/// cut from the cache, attended to before they are stored. The rules of the memory are `LiveMemory`'s in both.
public final class ReadingSession {
  /// How the text is cut. All in tokens.
  public struct Sizes: Sendable {
    /// g: tokens of a chunk.
    public var chunk: Int
    /// Tokens that share one retrieval, a multiple of `chunk`.
    public var block: Int
    /// What the cache holds, a multiple of 2 `chunk`.
    public var context: Int
    /// The most tokens of a query.
    public var query: Int

    public init(chunk: Int, block: Int, context: Int, query: Int) {
      precondition(chunk > 0 && block > 0 && query > 0)
      precondition(context >= 2 * chunk && context % (2 * chunk) == 0)
      self.chunk = chunk
      self.block = min(block, context / 2)
      self.context = context
      self.query = query
    }
  }

  /// A chunk in memory with all that it takes to go on elsewhere.
  public struct StoredChunk {
    public var entry: LiveMemory.Entry
    public var tokens: MemoryChunk
    public var text: [UInt8]

    public init(entry: LiveMemory.Entry, tokens: MemoryChunk, text: [UInt8]) {
      self.entry = entry
      self.tokens = tokens
      self.text = text
    }
  }

  /// The retriever's vector of a run of tokens, as a query or as a key, and their text.
  public typealias Embed = (_ tokens: [Int32], _ isQuery: Bool) throws -> (
    vector: [Float], text: [UInt8]
  )

  private let pass: DecoderPass
  private let cache: LocalCache
  private let live: LiveMemory?
  private let sizes: Sizes
  private let embed: Embed
  /// Of the tokens in the cache, and of those before them as far as a query reaches.
  private var history: [Int32] = []
  private var bank: [Int: (chunk: MemoryChunk, text: [UInt8])] = [:]
  private var retrieved: [Int] = []
  /// Tokens read since the last retrieval; nil: the next ones retrieve.
  private var sinceRetrieval: Int?
  public private(set) var nextRow: Int
  /// Chunks that were read from memory, blocks counted one by one.
  public private(set) var retrievals = 0

  /// - Parameters:
  ///   - live: empty, or holding the entries of `chunks`; nil: what leaves the cache is forgotten.
  ///   - chunks: what a memory to go on from held.
  public init(
    _ decoder: Decoder, live: LiveMemory?, sizes: Sizes, chunks: [StoredChunk] = [],
    nextRow: Int = 0, embed: @escaping Embed
  ) {
    pass = DecoderPass(decoder, maximumTokens: sizes.block)
    cache = LocalCache(decoder, capacity: sizes.context)
    self.live = live
    self.sizes = sizes
    self.embed = embed
    self.nextRow = nextRow
    for chunk in chunks { bank[chunk.entry.row] = (chunk.tokens, chunk.text) }
  }

  public var liveChunks: Int { live?.liveCount ?? 0 }
  public var event: Int { live?.event ?? 0 }

  /// What is in memory, oldest first.
  public var chunks: [StoredChunk] {
    (live?.entries ?? []).compactMap { entry in
      bank[entry.row].map { StoredChunk(entry: entry, tokens: $0.chunk, text: $0.text) }
    }
  }

  /// Reads on.
  ///
  /// - Parameter asking: the tokens are a question: they retrieve at once, with themselves as the end
  ///   of the query.
  public func read(_ tokens: [Int32], asking: Bool = false) throws {
    if asking {
      try retrieve(history + tokens)
      sinceRetrieval = 0
    }
    var piece: [Int32] = []
    for token in tokens {
      piece.append(token)
      if piece.count == sizes.block - (sinceRetrieval ?? 0) {
        try step(piece)
        piece = []
      }
    }
    if !piece.isEmpty { try step(piece) }
  }

  /// The logits of the token that comes next, [vocabulary]. Something must have been read.
  public var logits: [Float] { pass.logits([pass.tokens.count - 1])[0] }

  /// Puts all that the cache holds into memory, its last chunk short where it must be. What is read
  /// next begins anew: no query reaches back.
  public func flush() throws {
    try spill(cache.count)
    history = []
    sinceRetrieval = nil
  }

  private func step(_ piece: [Int32]) throws {
    if cache.count + piece.count > sizes.context { try spill(sizes.context / 2) }
    if sinceRetrieval == nil {
      try retrieve(history)
      sinceRetrieval = 0
    }
    let chunks = retrieved.compactMap { bank[$0]?.chunk }
    pass.forward(
      Segment(
        tokens: piece, targets: [Int32](repeating: -1, count: piece.count),
        blocks: [.init(queries: 0..<piece.count, chunks: chunks)]), cache: cache)
    history += piece
    sinceRetrieval = (sinceRetrieval ?? 0) + piece.count
    if sinceRetrieval == sizes.block { sinceRetrieval = nil }
  }

  private func retrieve(_ text: [Int32]) throws {
    retrieved = []
    guard let live, live.liveCount > 0, !text.isEmpty else { return }
    let query = try embed(Array(text.suffix(sizes.query)), true).vector
    retrieved = try query.withUnsafeBufferPointer { try live.retrieve($0, block: nextRow).rows }
    retrievals += retrieved.count
  }

  /// The cache's first `count` tokens become chunks.
  private func spill(_ count: Int) throws {
    if let live { try keep(count, in: live) }
    cache.remove(0..<count)
    history.removeFirst(max(0, history.count - cache.count - sizes.query))
  }

  private func keep(_ count: Int, in live: LiveMemory) throws {
    let first = history.count - cache.count
    for start in stride(from: 0, to: count, by: sizes.chunk) {
      let places = start..<min(start + sizes.chunk, count)
      let key = try embed(
        Array(history[first + places.lowerBound..<first + places.upperBound]), false)
      key.vector.withUnsafeBufferPointer { live.store(row: nextRow, key: $0) }
      bank[nextRow] = (cache.memoryChunk(places), key.text)
      nextRow += 1
    }
    if count > 0 { live.enter() }
    // Chunks stay while they are live or still read by the running block.
    let kept = Set(live.rows).union(retrieved)
    bank = bank.filter { kept.contains($0.key) }
  }
}
