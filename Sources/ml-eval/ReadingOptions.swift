import ArgumentParser
import Evaluation
import Indexing
import Modeling
import Records
import ToolSupport

extension Eviction: ExpressibleByArgument {}

/// How a text that grows is read: its context and its memory. What is left out is as in the memory that
/// is gone on from.
struct ReadingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tokens attended to as they stand, the sinks among them. (default: twice a segment and the sinks)",
      valueName: "N"))
  var context: Int?

  @Option(
    help: ArgumentHelp(
      "The text's first K tokens stay when older ones leave the context; without any a sliding context "
        + "fails. (default: 4)", valueName: "K"))
  var sinks: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens of one forward pass over a text, a multiple of --chunk-tokens. (default: 1024)",
      valueName: "S"))
  var segmentTokens: Int?

  @Option(
    help: ArgumentHelp("Tokens in a chunk. (default: 128)", valueName: "G"))
  var chunkTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens that share one retrieval; they divide a segment. (default: 128, or a segment)",
      valueName: "R"))
  var blockTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens of a query: the last before the block, or of the prompt. (default: --chunk-tokens)",
      valueName: "W"))
  var queryTokens: Int?

  @Option(help: ArgumentHelp("Chunks that a block retrieves at most. (default: 8)", valueName: "K"))
  var topK: Int?

  @Option(
    help: ArgumentHelp(
      "The most tokens that the memory holds. (default: all that was read)", valueName: "TOKENS"))
  var memoryTokens: Int?

  @Option(
    help: "What --memory-tokens forget when full: counter, fifo, lru or none. (default: counter)")
  var eviction: Eviction?

  func validate() throws {
    let options = [
      ("--context", context), ("--segment-tokens", segmentTokens), ("--chunk-tokens", chunkTokens),
      ("--block-tokens", blockTokens), ("--query-tokens", queryTokens), ("--top-k", topK),
      ("--memory-tokens", memoryTokens), ("--sinks", sinks),
    ]
    for case (let name, let value?) in options {
      let least = name == "--sinks" ? 0 : 1
      guard (least...1 << 30).contains(value) else {
        throw ValidationError("\(name) is \(value), not in \(least)...\(1 << 30)")
      }
    }
    if eviction != nil && eviction != Eviction.none && memoryTokens == nil {
      throw ValidationError("--eviction is for --memory-tokens: without it nothing is forgotten")
    }
  }

  /// - Parameter path: the memory that is gone on from, whose sizes are `stored`.
  func sizes(stored: MemoryParameters.Sizes?, path: String?) throws -> ReadingSizes {
    if let stored, let path {
      for (name, own, there) in [
        ("chunk-tokens", chunkTokens, stored.chunk),
        ("segment-tokens", segmentTokens, stored.segment),
        ("block-tokens", blockTokens, stored.block), ("query-tokens", queryTokens, stored.query),
        ("context", context, stored.context), ("sinks", sinks, stored.sinks),
      ] {
        if let own, own != there {
          throw ToolError.usage("\(path): was read with --\(name) \(there), not \(own)")
        }
      }
      return ReadingSizes(
        chunk: stored.chunk, segment: stored.segment, block: stored.block, query: stored.query,
        context: SlidingContext(tokens: stored.context, sinks: stored.sinks))
    }
    return try sizes()
  }

  private func sizes() throws -> ReadingSizes {
    let (chunk, segment) = (chunkTokens ?? 128, segmentTokens ?? 1024)
    guard segment % chunk == 0 else {
      throw ToolError.usage(
        "--segment-tokens is \(segment), not a multiple of --chunk-tokens \(chunk)")
    }
    let block = blockTokens ?? (segment % 128 == 0 ? 128 : segment)
    guard segment % block == 0 else {
      throw ToolError.usage("--block-tokens \(block) does not divide --segment-tokens \(segment)")
    }
    let standard = SlidingContext.standard(segmentTokens: segment)
    let sinks = self.sinks ?? standard.sinks
    let tokens = context ?? standard.plannedTokens + sinks
    guard tokens - sinks >= segment + chunk else {
      throw ToolError.usage(
        "--context \(tokens) with \(sinks) sinks is shorter than a segment and a chunk, \(segment) and "
          + "\(chunk) tokens (--segment-tokens)")
    }
    return ReadingSizes(
      chunk: chunk, segment: segment, block: block, query: queryTokens ?? chunk,
      context: SlidingContext(tokens: tokens, sinks: sinks))
  }

  func rules(stored: MemoryParameters.Rules?, chunkTokens: Int) throws -> MemoryParameters.Rules {
    let tokens = memoryTokens ?? stored?.memoryTokens ?? 0
    guard tokens == 0 || tokens >= chunkTokens else {
      throw ToolError.usage("--memory-tokens is \(tokens), less than a chunk: \(chunkTokens)")
    }
    let eviction = self.eviction?.rawValue ?? (memoryTokens == nil ? stored?.eviction : nil)
    return MemoryParameters.Rules(
      topK: topK ?? stored?.topK ?? 8, memoryTokens: tokens,
      eviction: eviction ?? (tokens == 0 ? Eviction.none : .counter).rawValue)
  }
}

extension MemorySettings {
  init(_ rules: MemoryParameters.Rules, chunkTokens: Int, seed: UInt64) {
    let capacity = Self.capacity(memoryTokens: rules.memoryTokens, chunkTokens: chunkTokens)
    self.init(
      topK: rules.topK, capacity: max(capacity, 1), eviction: Eviction(rawValue: rules.eviction)!,
      reset: .never, seed: seed)
  }
}
