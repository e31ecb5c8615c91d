import Modeling

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads a text into memory, segment by segment as a plan says, and then answers a prompt that
/// retrieves from it: by continuations given, or freely. With a context every segment and the prompt
/// attend to the text before them as well.
public final class PromptReader {
  private let decoder: Decoder
  private var pass: DecoderPass
  private var passTokens: Int
  /// Tokens of the latest forward pass.
  private var passed = 0
  private let context: SlidingContext?
  /// With a context the text before; else the prompt alone.
  private var cache: LocalCache?
  private var memory = LaneMemory(plan: RetrievalPlan())

  // Of the prompt that was read last.
  private var chunks: [MemoryChunk] = []
  /// Log-probabilities of the token after the prompt.
  public private(set) var next: [Double] = []

  /// - Parameters:
  ///   - tokens: of the longest segment or prompt expected; longer ones take memory anew.
  ///   - context: what segments and prompt are read beside; nil: they are read alone.
  public init(_ decoder: Decoder, tokens: Int, context: SlidingContext? = nil) {
    self.decoder = decoder
    self.context = context
    passTokens = tokens
    pass = DecoderPass(decoder, maximumTokens: tokens)
    cache = context.map { LocalCache(decoder, capacity: $0.tokens + tokens) }
  }

  /// Empties the memory; the segments to come follow `plan`, an empty one being memory off. Its last
  /// block is the prompt's.
  public func begin(_ plan: RetrievalPlan) {
    // Only the prompt's answers are asked for. What a segment retrieves bears on them where it bears on
    // the keys and values that the segment leaves in memory or in the context.
    let dependsOnAll = context != nil || decoder.memory?.chunksDependOnRetrieval ?? true
    memory = LaneMemory(plan: dependsOnAll ? plan : plan.readingLast)
    forgetContext()
  }

  /// What comes next does not attend to what was read.
  public func forgetContext() {
    if let cache { cache.remove(0..<cache.count) }
  }

  /// A segment whose chunks enter the memory: computed as far as the prompt's answers depend on it.
  public func read(_ segment: PlannedSegment) throws {
    let blocks = try memory.blocks(of: segment)
    if let context, let cache {
      reserve(segment.tokens.count)
      cache.makeRoom(for: segment.tokens.count, sinks: context.sinks, limit: context.tokens)
      forward(segment.tokens, blocks, cache)
      if decoder.memory != nil { try memory.advance(past: segment, pass) }
      return
    }
    guard let source = decoder.memory?.sourceLayers.max(), !memory.skip(segment) else { return }
    reserve(segment.tokens.count)
    let targets = [Int32](repeating: -1, count: segment.tokens.count)
    pass.forward(
      Segment(tokens: segment.tokens, targets: targets, blocks: blocks), below: source + 1)
    try memory.advance(past: segment, pass)
  }

  /// The prompt, as the plan's last segment: one block, which does not enter the memory.
  ///
  /// - Parameters:
  ///   - continuation: the most tokens that will follow it at a time.
  ///   - before: tokens of the context that it attends to beside its sinks, at most.
  public func ask(_ prompt: PlannedSegment, continuation: Int, after before: Int = 0) throws {
    let blocks = try memory.blocks(of: prompt)
    chunks = blocks.first?.chunks ?? []
    reserve(prompt.tokens.count)
    let added = prompt.tokens.count + max(1, continuation)
    if let context, before > 0 {
      cache?.makeRoom(for: 0, sinks: context.sinks, limit: before + context.sinks)
    } else {
      forgetContext()
    }
    if let cache, cache.count + added > cache.capacity {
      precondition(cache.count == 0, "a prompt of \(added) tokens beside its context")
      self.cache = nil
    }
    if cache == nil { cache = LocalCache(decoder, capacity: added + added / 4) }
    forward(prompt.tokens, blocks, cache)
    next = logProbabilities()
  }

  /// log p(continuation | memory, prompt) in nats, of each continuation by itself.
  public func logLikelihoods(of continuations: [[Int32]]) -> [Double] {
    continuations.map { tokens in
      precondition(!tokens.isEmpty)
      let first = next[Int(tokens[0])]
      guard tokens.count > 1, let cache else { return first }
      let start = cache.count
      defer { cache.remove(start..<cache.count) }
      let targets = Array(tokens.dropFirst())
      follow(Array(tokens.dropLast()))
      return first - pass.losses(targets).reduce(0, +)
    }
  }

  /// The most likely token after the prompt; of equals the first.
  public var mostLikely: Int32 { Int32(next.indices.max { next[$0] < next[$1] } ?? 0) }

  /// The most likely tokens one after the other, until `count` or one that ends it.
  public func greedy(_ count: Int, until isLast: (Int32) -> Bool = { _ in false }) -> [Int32] {
    guard count > 0, let cache else { return [] }
    let first = next
    let start = cache.count
    defer {
      cache.remove(start..<cache.count)
      next = first
    }
    var tokens = [mostLikely]
    while tokens.count < count, let last = tokens.last, !isLast(last) {
      follow([last])
      next = logProbabilities()
      tokens.append(mostLikely)
    }
    return tokens
  }

  /// Tokens after the cached ones, with the prompt's retrieved set.
  private func follow(_ tokens: [Int32]) {
    let blocks =
      chunks.isEmpty ? [] : [Segment.Block(queries: 0..<tokens.count, chunks: chunks)]
    forward(tokens, blocks, cache)
  }

  private func forward(_ tokens: [Int32], _ blocks: [Segment.Block], _ cache: LocalCache? = nil) {
    let targets = [Int32](repeating: -1, count: tokens.count)
    pass.forward(Segment(tokens: tokens, targets: targets, blocks: blocks), cache: cache)
    passed = tokens.count
  }

  /// log softmax of the last position's logits.
  private func logProbabilities() -> [Double] {
    let logits = pass.logits([passed - 1])[0]
    let largest = Double(logits.max() ?? 0)
    let total = log(logits.reduce(0.0) { $0 + exp(Double($1) - largest) }) + largest
    return logits.map { Double($0) - total }
  }

  private func reserve(_ tokens: Int) {
    guard tokens > passTokens else { return }
    passTokens = tokens + tokens / 4
    pass = DecoderPass(decoder, maximumTokens: passTokens)
  }
}
