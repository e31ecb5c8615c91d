import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import Records
import Safetensors
import ShardIO
import ToolSupport

enum Protocol: String, ExpressibleByArgument, CaseIterable {
  case stream, window
}

struct LanguageModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lm",
    abstract: "Perplexity per token, word and byte, by position in the document.",
    discussion: helpDiscussion(
      "Protocol stream: a document is read once, segment after segment, with the memory of "
        + "everything before; all but its first token are scored. Protocol window, as published: "
        + "of each window of ml-chunk --window, read in the same way, only the last tokens are "
        + "scored; whether memory lasts between windows is the plan's --reset.",
      examples: [
        "ml-eval lm --model M.gguf -o base.json chunks.mls",
        "ml-eval lm --model M.gguf --adapter stage2 --plan plan.mls -o r.json c.mls",
      ]))

  @Argument(
    help: ArgumentHelp("Shards of chunks; - or none: standard input.", valueName: "CHUNKS"))
  var chunks: [String] = []

  @OptionGroup var modelOptions: ModelOptions

  @Option(
    help: ArgumentHelp("An adapter folder of ml-train or PEFT to apply.", valueName: "DIR"))
  var adapter: String?

  @Option(
    help: ArgumentHelp(
      "Which chunks each segment reads (from ml-index). Without it: memory off.",
      valueName: "PLAN"))
  var plan: String?

  @OptionGroup var contextOptions: ContextOptions
  @OptionGroup var baseline: BaselineOptions

  @OptionGroup var memoryRoom: MemoryRoom

  @Option(
    name: .customLong("protocol"),
    help: "How tokens are scored: stream, or window for chunks of ml-chunk --window.")
  var protocolName = Protocol.stream

  @Option(
    help: ArgumentHelp("What reports call these texts, such as pg19.", valueName: "NAME"))
  var dataSet: String?

  @Option(
    help: ArgumentHelp("Write every token's score to FILE, a shard of scores.", valueName: "FILE"))
  var scores: String?

  @Flag(help: "Run even where the memory estimate exceeds what is available.")
  var ignoreMemoryEstimate = false

  @OptionGroup var options: CommonOptions

  func validate() throws {
    if let scores, OutputFile.isSame(scores, options.output) {
      throw ValidationError("--scores and the output are the same: \(scores)")
    }
    try baseline.check(contextOptions, hasPlan: plan != nil)
  }

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output, isBinary: false)
    let scoreFile = try scores.map { try OutputFile($0) }
    let input = try ChunkInput(chunks)
    let window = try windowProtocol(input.census)
    let loaded = try plan.map { try LoadedPlan(path: $0, for: input.census) }
    let outline = try modelOptions.outline(
      input.census, adapter: adapter, hasMemory: loaded != nil,
      ropeScaling: baseline.ropeScaling)
    let context = try localContext(input.census, outline, loaded).map {
      try ContextLabel($0, census: input.census, model: outline.configuration)
    }
    options.noteContext(of: loaded, read: context.map { $0.rules.plannedTokens ?? .max })
    try checkMemory(outline, input.census, loaded, context)
    try options.noteSeal(ofAdapter: adapter)
    let model = try LoadedModel(
      outline, adapter: adapter, residency: modelOptions.weights,
      compute: modelOptions.makeCompute(options))
    model.decoder.memoryStore = memoryRoom.makeStore()
    var run = ScoringRun(
      model: model, plan: loaded, input: input, window: window, context: context,
      ropeScaling: baseline.ropeScaling?.name,
      scores: try scoreFile.map {
        try scoreWriter(sink: $0, model: model, plan: loaded, input: input)
      })
    try run.score(quiet: options.quiet)
    let result = try run.result(
      dataSet: dataSet, seconds: cost.seconds, provenance: provenance(input.census, loaded) ?? [])
    try run.finishScores()
    try output.write(result.json.prettyEncoded + "\n")
    try scoreFile?.commit()
    try output.commit()
    cost.print(
      tokens: input.census.tokens,
      others: ["perplexity \(decimal(result.overall.perplexity, 3))"], options: options)
  }

  /// - Throws: `ToolError` where the chunks are not of the protocol.
  private func windowProtocol(_ census: ChunkCensus) throws -> WindowProtocol? {
    switch (protocolName, census.parameters.window) {
    case (.stream, nil): return nil
    case (.window, let window?): return WindowProtocol(window)
    case (.window, nil):
      throw ToolError("--protocol window needs chunks of ml-chunk --window, these are documents")
    case (.stream, _?):
      throw ToolError("the chunks are windows (ml-chunk --window): they need --protocol window")
    }
  }

  /// What a segment attends to of the text before it.
  private func localContext(
    _ census: ChunkCensus, _ outline: ModelOutline, _ plan: LoadedPlan?
  ) throws -> LocalContext? {
    var rules = try contextOptions.rules(
      usual: .usual(
        layout: modelOptions.layout(of: outline, adapter: adapter), adapter: adapter, plan: plan,
        segmentTokens: census.longestSegment))
    rules?.mode = baseline.contextMode
    return rules
  }

  /// - Throws: `ToolError` with the numbers when the run cannot fit.
  private func checkMemory(
    _ outline: ModelOutline, _ census: ChunkCensus, _ plan: LoadedPlan?, _ context: ContextLabel?
  ) throws {
    guard !ignoreMemoryEstimate else { return }
    let estimate = ReadingEstimate(
      outline, census: census, plan: plan, context: context,
      inRAM: memoryRoom.bytesInRAM, options: modelOptions, threads: options.threadCount)
    try estimate.check()
    try memoryRoom.check(estimate.bankBytes)
  }

  private func provenance(_ census: ChunkCensus, _ plan: LoadedPlan?) throws -> Provenance? {
    try options.provenance(
      adapter: adapter, census, plan, inputs: chunks, omitting: ["--scores", "--memory-in-ram"],
      flags: ["--ignore-memory-estimate"])
  }

  private func scoreWriter(
    sink: OutputFile, model: LoadedModel, plan: LoadedPlan?, input: ChunkInput
  ) throws -> ScoreWriter {
    ScoreWriter(
      sink: sink,
      parameters: ScoreParameters(
        model: model.model.name, adapter: model.adapter?.name ?? "",
        protocolName: protocolName.rawValue, planDigest: plan?.digest,
        chunksDigest: input.census.digest, chunkRows: input.census.rows),
      provenance: try provenance(input.census, plan))
  }
}

extension WindowProtocol {
  init(_ window: WindowParameters) {
    self.init(
      length: window.length, stride: window.stride, lastContext: window.lastContext,
      prefillTokens: window.prefillTokens, filterLength: window.filterLength, bos: window.bos)
  }
}
