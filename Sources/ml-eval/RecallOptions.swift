import ArgumentParser
import Indexing
import ModelSupport
import Modeling
import Retrieval
import ToolSupport

extension DocumentPlanner.Choice: ExpressibleByArgument {}

/// Numbers such as `0,4,20`.
struct NumberList: ExpressibleByArgument {
  var numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  init?(argument: String) {
    numbers = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let number = Int(part), (0...1 << 30).contains(number), !numbers.contains(number) else {
        return nil
      }
      numbers.append(number)
    }
  }

  var defaultValueDescription: String { numbers.map(String.init).joined(separator: ",") }
}

/// The options of a task that plans its memory in its own process.
struct RecallOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The retriever of --select nearest: a sentence-transformers folder.", valueName: "DIR"))
  var retriever: ModelName?

  @Option(
    help: ArgumentHelp(
      "Which chunks in memory are read: nearest, or the controls recent, random, all.",
      valueName: "HOW"))
  var select = DocumentPlanner.Choice.nearest

  @Option(help: ArgumentHelp("Chunks that are read at a time.", valueName: "K"))
  var topK = 8

  @Option(help: ArgumentHelp("Tokens of a chunk.", valueName: "G"))
  var chunkTokens = 128

  @Option(help: ArgumentHelp("Tokens that the memory holds.", valueName: "N"))
  var memoryTokens = 32768

  @Option(help: "What a full memory forgets: counter, fifo, lru or none.")
  var eviction = Eviction.counter

  @Option(
    help: ArgumentHelp(
      "Last tokens of the prompt that make its query. (default: what the retriever reads)",
      valueName: "W"))
  var queryTokens: Int?

  @OptionGroup var contextOptions: ContextOptions

  @Option(
    help: ArgumentHelp(
      "The tokenizer: a GGUF, tokenizer.json or SentencePiece file, or a folder. (default: the model's)",
      valueName: "PATH"))
  var tokenizer: ModelName?

  @Option(
    help: ArgumentHelp("An adapter folder of ml-train or PEFT to apply.", valueName: "DIR"))
  var adapter: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Begin every text with the begin token. (default: what the tokenizer's file says)")
  var bos: Bool?

  func validate() throws {
    for (name, value) in [("top-k", topK), ("chunk-tokens", chunkTokens)] + optional
    where !(1...1 << 20).contains(value) {
      throw ValidationError("--\(name) is \(value), not in 1...\(1 << 20)")
    }
    guard (chunkTokens...1 << 40).contains(memoryTokens) else {
      throw ValidationError(
        "--memory-tokens is \(memoryTokens), not in \(chunkTokens)...\(1 << 40)")
    }
  }

  /// What segments of so many tokens, and the prompt after them, are read beside.
  ///
  /// - Throws: `ToolError` where the context cannot hold a segment.
  func context(
    layout: RetrievalLayout?, segmentTokens: Int
  ) throws -> SlidingContext? {
    let context = try contextOptions.sliding(
      usual: .usual(layout: layout, adapter: adapter, segmentTokens: segmentTokens))
    guard let context else { return nil }
    let planned = context.plannedTokens
    guard planned >= segmentTokens, (planned - segmentTokens).isMultiple(of: chunkTokens) else {
      throw ToolError.usage(
        "--context is \(context.tokens)"
          + (context.sinks > 0 ? ", \(planned) without its sinks" : "")
          + ", not a segment (\(segmentTokens) tokens) and whole chunks of \(chunkTokens) more")
    }
    return context
  }

  private var optional: [(String, Int)] { queryTokens.map { [("query-tokens", $0)] } ?? [] }
}
