import ArgumentParser
import Indexing
import Kernels
import Records
import ShardIO
import ToolSupport

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Simulate the memory over embeddings and write the plan.",
    discussion: helpDiscussion(examples: [
      "ml-embed --model MODEL chunks.mls | ml-index > plan.mls",
      "ml-index --select random --seed 1 -o random.mls embeddings.mls",
    ]))

  @Argument(
    help: ArgumentHelp("Shards of embeddings; - or none: standard input.", valueName: "EMBEDDINGS"))
  var embeddings: [String] = []

  @Option(help: ArgumentHelp("Chunks that a block retrieves at most.", valueName: "N"))
  var topK = 8

  @Option(help: ArgumentHelp("Size of the memory, in tokens.", valueName: "TOKENS"))
  var memoryTokens = 32768

  @Option(help: "Which chunks go when the memory is full; none: it is unbounded.")
  var eviction = Eviction.counter

  @Option(help: "Whether a new document empties the memory.")
  var reset = MemoryReset.document

  @Option(help: "Which live chunks a block reads; recent and random are controls.")
  var select = Selection.nearest

  @Option(
    help: ArgumentHelp(
      "Of the k chunks, the N newest in memory are always read; the others as selected.",
      valueName: "N"))
  var recent = 0

  @Option(
    help: ArgumentHelp(
      "The reader's local context without its sinks: a chunk enters the memory when it has left that; "
        + "none: the segment alone. (default: twice a segment, of --layout published none)",
      valueName: "TOKENS|none"))
  var context: PlannedContext?

  @Option(
    help: ArgumentHelp(
      "The layout of the reader's memory, for what belongs to it: published is read without context, "
        + "upper and all beside twice a segment. (default: all)", valueName: "NAME"))
  var layout: PlannedLayout?

  @Option(
    help: ArgumentHelp(
      "Tokens in a chunk, where the embeddings do not say. (default: 128)", valueName: "TOKENS"))
  var chunkTokens: Int?

  @OptionGroup var options: CommonOptions

  func validate() throws {
    try check("--top-k", topK, in: 1...1 << 20)
    try check("--recent", recent, in: 0...topK)
    try check("--memory-tokens", memoryTokens, in: 1...1 << 40)
    if let chunkTokens { try check("--chunk-tokens", chunkTokens, in: 1...Int(UInt16.max)) }
  }

  func run() throws {
    let cost = CostLine()
    let inputs = try InputFile.all(embeddings)
    let output = try OutputFile(options.output)
    let reader = try EmbeddingReader(sources: inputs, readsAhead: options.threadCount > 1)
    let chunkTokens = try tokensInChunk(reader.parameters)
    let parameters = self.parameters(
      reader.parameters, chunkTokens: chunkTokens,
      context: try contextTokens(reader.parameters, chunkTokens: chunkTokens))
    let writer = PlanWriter(
      sink: output, parameters: parameters,
      provenance: options.provenance(earlier: reader.provenance, inputs: embeddings))
    let planner = MemoryPlanner(
      try settings(chunkTokens: chunkTokens, heldBack: parameters.heldBack),
      dimension: reader.parameters.dimension,
      workers: options.makeWorkers()
    ) { try writer.append(PlanRow($0)) }
    let progress = Progress("chunks", quiet: options.quiet)
    while let batch = try reader.next() {
      try planner.append(KeyBatch(batch))
      progress.update(planner.nextRow)
    }
    try planner.finish()
    guard reader.parameters.query != "none" || planner.nextRow == 0 else {
      throw ToolError("the embeddings have no queries: ml-embed made them with --query none")
    }
    try writer.finish(
      chunksDigest: reader.chunksDigest, embeddingsDigest: reader.digest,
      chunkRows: planner.nextRow)
    try output.commit()
    progress.finish()
    cost.print(
      rows: writer.rows, tokens: planner.nextRow * chunkTokens,
      others: ["\(planner.nextRow) chunks"], options: options)
  }

  private func tokensInChunk(_ given: EmbeddingParameters) throws -> Int {
    if let own = given.chunkTokens, let chunkTokens, own != chunkTokens {
      throw ToolError.usage("--chunk-tokens is \(chunkTokens), the embeddings' chunks have \(own)")
    }
    return given.chunkTokens ?? chunkTokens ?? 128
  }

  private func settings(chunkTokens: Int, heldBack: Int) throws -> MemorySettings {
    let capacity = MemorySettings.capacity(memoryTokens: memoryTokens, chunkTokens: chunkTokens)
    guard capacity >= 1 || eviction == .none else {
      throw ToolError.usage(
        "--memory-tokens is \(memoryTokens), not \(chunkTokens) or more: "
          + "a chunk has \(chunkTokens) tokens")
    }
    options.detail(
      eviction == .none
        ? "an unbounded memory" : "a memory of \(capacity) chunks of \(chunkTokens) tokens")
    return MemorySettings(
      topK: topK, capacity: max(capacity, 1), eviction: eviction, reset: reset, selection: select,
      seed: options.seed, alwaysRecent: recent, heldBack: heldBack)
  }

  /// Tokens of the reader's context, a segment and whole chunks, which `PlanParameters.heldBack` counts.
  private func contextTokens(_ given: EmbeddingParameters, chunkTokens: Int) throws -> Int? {
    let asked: Int
    switch (context, given.segmentTokens) {
    case (.some(.none), _): return nil
    case (nil, let segment):
      guard layout != .published, let segment else { return nil }
      asked = 2 * segment
    case (.tokens, nil):
      throw ToolError("--context: the embeddings do not say how long a segment is")
    case (.tokens(let tokens), _): asked = tokens
    }
    let segment = given.segmentTokens ?? 0
    guard asked >= segment, (asked - segment) % chunkTokens == 0 else {
      throw ToolError.usage(
        "\(context == nil ? "the usual context" : "--context") is \(asked), not a segment "
          + "(\(segment) tokens) and whole chunks of \(chunkTokens) more")
    }
    return asked
  }

  private func parameters(
    _ given: EmbeddingParameters, chunkTokens: Int, context: Int?
  ) -> PlanParameters {
    PlanParameters(
      topK: topK, memoryTokens: eviction == .none ? 0 : memoryTokens, eviction: eviction.rawValue,
      reset: reset.rawValue, select: select.rawValue, seed: options.seed, query: given.query,
      queryTokens: given.queryTokens, blockTokens: given.blockTokens, chunkTokens: chunkTokens,
      segmentTokens: given.segmentTokens, recentChunks: recent, contextTokens: context,
      layout: layout?.rawValue)
  }
}
