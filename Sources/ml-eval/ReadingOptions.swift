import ArgumentParser
import Evaluation
import Indexing
import ToolSupport

extension Eviction: ExpressibleByArgument {}

/// How a text that grows is read: its window and its memory.
struct ReadingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tokens attended to as they stand, a multiple of twice --chunk-tokens.", valueName: "N"))
  var context = 1024

  @Option(
    help: ArgumentHelp("Tokens in a chunk. (default: the memory's, else 128)", valueName: "G"))
  var chunkTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens that share one retrieval. (default: half of --context)", valueName: "R"))
  var blockTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens of a query: the last before the block. (default: --chunk-tokens)", valueName: "W"))
  var queryTokens: Int?

  @Option(help: ArgumentHelp("Chunks that a block retrieves at most.", valueName: "K"))
  var topK = 8

  @Option(help: ArgumentHelp("Size of the memory, in tokens.", valueName: "TOKENS"))
  var memoryTokens = 32768

  @Option(help: "Which chunks go when the memory is full: counter, fifo, lru or none.")
  var eviction = Eviction.counter

  func validate() throws {
    for (name, value) in [
      ("--context", context), ("--chunk-tokens", chunkTokens ?? 1),
      ("--block-tokens", blockTokens ?? 1), ("--query-tokens", queryTokens ?? 1),
      ("--top-k", topK), ("--memory-tokens", memoryTokens),
    ] where !(1...1 << 30).contains(value) {
      throw ValidationError("\(name) is \(value), not in 1...\(1 << 30)")
    }
  }

  /// - Parameter stored: tokens of a chunk in the memory that is gone on from.
  func sizes(stored: Int?) throws -> ReadingSession.Sizes {
    if let stored, let chunkTokens, stored != chunkTokens {
      throw ToolError.usage("--chunk-tokens is \(chunkTokens), the memory's chunks have \(stored)")
    }
    let chunk = chunkTokens ?? stored ?? 128
    guard context % (2 * chunk) == 0 else {
      throw ToolError.usage(
        "--context is \(context), not a multiple of twice --chunk-tokens \(chunk)")
    }
    return ReadingSession.Sizes(
      chunk: chunk, block: blockTokens ?? context / 2, context: context,
      query: queryTokens ?? chunk)
  }

  func settings(chunkTokens: Int, seed: UInt64) throws -> MemorySettings {
    let capacity = MemorySettings.capacity(memoryTokens: memoryTokens, chunkTokens: chunkTokens)
    guard capacity >= 1 || eviction == .none else {
      throw ToolError.usage("--memory-tokens is \(memoryTokens), less than a chunk: \(chunkTokens)")
    }
    return MemorySettings(
      topK: topK, capacity: max(capacity, 1), eviction: eviction, reset: .never, seed: seed)
  }
}
