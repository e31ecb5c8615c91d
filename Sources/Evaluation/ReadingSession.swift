import Indexing
import Modeling

/// Reads a text that may grow without end: the latest tokens and the first ones stand in a cache of
/// fixed size, what leaves it becomes chunks of the memory, and what is read next retrieves from there
/// (DESIGN §1).
///
/// A text is read as everywhere else: by segments, each in one forward pass, whose blocks retrieve with
/// the tokens before them. Segments begin at multiples of their size, and what does not fill one waits
/// for more or for a question; so a text gives the same bits in one piece, in many, and when it is put
/// aside between them. What is generated is read token by token.
///
/// Tasks whose texts are whole beforehand go by `DocumentPlanner` and `PromptReader`: all is embedded in
/// batches, and only what the prompt reads is computed. Here what comes next is not known. The rules of
/// the memory are `LiveMemory`'s in both.
public final class ReadingSession {
  /// A chunk in memory with all that it takes to go on elsewhere.
  public struct StoredChunk {
    public var entry: LiveMemory.Entry
    public var tokens: MemoryChunk

    public init(entry: LiveMemory.Entry, tokens: MemoryChunk) {
      self.entry = entry
      self.tokens = tokens
    }
  }

  /// A reading put aside before any question.
  public struct State {
    /// The whole text, read and waiting.
    public var tokens: [Int32]
    /// What is in memory, oldest first.
    public var chunks: [StoredChunk]
    /// Of the tokens in the cache, `ReadingSizes.cached` of them.
    public var context: CachedTokens

    public init(tokens: [Int32], chunks: [StoredChunk], context: CachedTokens) {
      self.tokens = tokens
      self.chunks = chunks
      self.context = context
    }
  }

  /// A chunk that was retrieved.
  public struct Passage: Sendable, Equatable {
    /// Its tokens in the text.
    public var range: Range<Int>
    /// The inner product of query and key.
    public var score: Float
  }

  /// The retriever's vectors of runs of tokens, as queries or as keys, one behind the other.
  public typealias Embed = (_ runs: [[Int32]], _ isQuery: Bool) throws -> [Float]

  private let pass: DecoderPass
  private let cache: LocalCache
  private let live: LiveMemory?
  private let sizes: ReadingSizes
  private let embed: Embed
  /// All of the text so far.
  public private(set) var tokens: [Int32]
  /// Of these, so many have been computed, and so many of the first have left the context.
  private var read: Int
  private var departed: Int
  private let memoryStore: MemoryStore
  private var bank: [Int: MemoryChunk] = [:]
  /// What the running block reads, and the tokens that it has.
  private var running: (passages: [Passage], chunks: [MemoryChunk]) = ([], [])
  private var sinceRetrieval = 0
  /// Chunks that were read from memory, blocks counted one by one.
  public private(set) var retrievals = 0
  /// Sees what every block retrieves, before it is read.
  public var didRetrieve: (([Passage]) -> Void)?

  /// - Parameters:
  ///   - live: empty, or holding the entries of `state`; nil: what leaves the cache is forgotten.
  ///   - state: what to go on from, of a reading with the same sizes.
  public init(
    _ decoder: Decoder, live: LiveMemory?, sizes: ReadingSizes, state: State? = nil,
    embed: @escaping Embed
  ) {
    pass = DecoderPass(decoder, maximumTokens: sizes.segment)
    cache = LocalCache(decoder, capacity: sizes.context.tokens)
    memoryStore = decoder.memoryStore
    self.live = live
    self.sizes = sizes
    self.embed = embed
    tokens = state?.tokens ?? []
    read = sizes.read(of: tokens.count)
    departed = sizes.departed(read)
    guard let state else { return }
    cache.restore(state.context)
    precondition(cache.count == sizes.cached(read), "a context of \(cache.count) tokens")
    for chunk in state.chunks { bank[chunk.entry.row] = chunk.tokens }
  }

  /// What it takes to go on elsewhere. No question may have been asked.
  public var state: State {
    State(
      tokens: tokens,
      chunks: (live?.entries ?? []).compactMap { entry in
        bank[entry.row].map { StoredChunk(entry: entry, tokens: $0) }
      },
      context: cache.stored(0..<cache.count))
  }

  public var event: Int { live?.event ?? 0 }
  /// Chunks in memory, and those that ever were.
  public var liveChunks: Int { live?.liveCount ?? 0 }
  public var storedChunks: Int { live == nil ? 0 : departed / sizes.chunk }

  /// Reads on: all whole segments. The rest waits.
  public func read(_ more: [Int32]) throws {
    tokens += more
    while tokens.count - read >= sizes.segment { try advance(by: sizes.segment) }
  }

  /// Reads what waits. Then only a question or what is generated may follow.
  public func finishReading() throws {
    if tokens.count > read { try advance(by: tokens.count - read) }
  }

  /// Reads a question, which retrieves once, by its own words: the text before it says nothing of what
  /// is asked. Of a question longer than a segment the beginning is text like any other.
  ///
  /// - Parameter query: tokens of the question, without what a prompt format puts around it.
  public func ask(_ question: [Int32], query: [Int32]) throws {
    precondition(!question.isEmpty && !query.isEmpty)
    try read(Array(question.dropLast(sizes.segment)))
    try finishReading()
    let last = Array(question.suffix(sizes.segment))
    try makeRoom(for: last.count)
    running = try retrieve([Array(query.suffix(sizes.query))])[0]
    tokens += last
    compute(last, blocks: [.init(queries: 0..<last.count, chunks: running.chunks)])
    sinceRetrieval = 0
  }

  /// Reads a token that was generated. It shares its retrieval with those before it, until there are
  /// as many as a block has.
  public func follow(_ token: Int32) throws {
    try makeRoom(for: 1)
    if sinceRetrieval == sizes.block {
      running = try retrieve([query(before: tokens.count)])[0]
      sinceRetrieval = 0
    }
    tokens.append(token)
    compute([token], blocks: [.init(queries: 0..<1, chunks: running.chunks)])
    sinceRetrieval += 1
  }

  /// The logits of the token that comes next, [vocabulary]. Something must have been read.
  public var logits: [Float] { pass.logits([pass.tokens.count - 1])[0] }

  /// Reads the next `count` tokens in one forward pass.
  private func advance(by count: Int) throws {
    try makeRoom(for: count)
    let starts = Array(stride(from: 0, to: count, by: sizes.block))
    let found = try retrieve(starts.map { query(before: read + $0) })
    let blocks = zip(starts, found).map { start, found in
      Segment.Block(queries: start..<min(start + sizes.block, count), chunks: found.chunks)
    }
    compute(Array(tokens[read..<read + count]), blocks: blocks)
    running = found[found.count - 1]
    sinceRetrieval = count - starts[starts.count - 1]
  }

  private func compute(_ piece: [Int32], blocks: [Segment.Block]) {
    let targets = [Int32](repeating: -1, count: piece.count)
    pass.forward(Segment(tokens: piece, targets: targets, blocks: blocks), cache: cache)
    read += piece.count
  }

  /// The tokens before a block ask for it: retrieval is causal.
  private func query(before end: Int) -> [Int32] {
    Array(tokens[max(0, end - sizes.query)..<end])
  }

  private func retrieve(
    _ queries: [[Int32]]
  ) throws -> [(passages: [Passage], chunks: [MemoryChunk])] {
    guard let live, live.liveCount > 0 else { return queries.map { _ in ([], []) } }
    let vectors = try embed(queries, true)
    return try queries.indices.map { index in
      let vector = vectors[index * live.dimension..<(index + 1) * live.dimension]
      let found = try vector.withUnsafeBufferPointer {
        try live.retrieve($0, block: departed / sizes.chunk)
      }
      retrievals += found.rows.count
      let passages = zip(found.rows, found.scores).map { row, score in
        Passage(range: row * sizes.chunk..<(row + 1) * sizes.chunk, score: score)
      }
      didRetrieve?(passages)
      return (passages, found.rows.compactMap { bank[$0] })
    }
  }

  /// Sends the oldest chunks from the context to memory until `count` more tokens fit.
  private func makeRoom(for count: Int) throws {
    let end = sizes.departed(read + count)
    guard end > departed else { return }
    if let live { try store(departed..<end, in: live) }
    let first = sizes.place(of: departed, departed: departed)
    cache.remove(first..<sizes.place(of: end, departed: departed))
    departed = end
  }

  private func store(_ range: Range<Int>, in live: LiveMemory) throws {
    let starts = Array(stride(from: range.lowerBound, to: range.upperBound, by: sizes.chunk))
    let keys = try embed(starts.map { Array(tokens[$0..<$0 + sizes.chunk]) }, false)
    for (index, start) in starts.enumerated() {
      let row = start / sizes.chunk
      keys[index * live.dimension..<(index + 1) * live.dimension].withUnsafeBufferPointer {
        live.store(row: row, key: $0)
      }
      let place = start - max(0, departed - sizes.context.sinks)
      bank[row] = try cache.memoryChunk(place..<place + sizes.chunk, in: memoryStore)
    }
    for row in live.enter() { bank[row] = nil }
  }
}
