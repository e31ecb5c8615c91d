import ArgumentParser
import ModelSupport
import Modeling
import Records
import ShardIO
import ToolSupport
import Training
import Weights

@main
struct MLTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-train", abstract: "Train LoRA adapters that read a memory of past chunks.",
    usage: """
      ml-train [run] --model <PATH> -o <DIR> [<options>] [<CHUNKS> ...]
      ml-train merge --model <PATH> --adapter <DIR> -o <DIR> [--dtype <dtype>]
      """,
    discussion: helpDiscussion(
      optionsHelp(of: TrainTool.self), examples: TrainTool.examples,
      extraCodes: TrainTool.extraCodes),
    version: toolVersion, subcommands: [TrainTool.self, Merge.self],
    defaultSubcommand: TrainTool.self)

  static func main() { runTool(MLTrain.self) }
}

struct TrainTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Train LoRA adapters over a chunk stream that follows a retrieval plan.",
    discussion: helpDiscussion(
      "Stage 1 (warm-up) trains adapters in every layer; stage 2 stands on stage 1's adapter and "
        + "freezes the layers up to the memory layer. Every value of a stage is an option's default.",
      examples: examples, extraCodes: extraCodes))

  static let examples = [
    "ml-train --stage 1 --model M.gguf --plan plan.mls -o stage1 chunks.mls",
    "ml-train --model M.gguf --adapter stage1 --plan plan.mls -o stage2 chunks.mls",
    "ml-train --model M.gguf --plan p.mls --checkpoint-every 9 --resume -o a c.mls",
  ]
  static let extraCodes = "75 stopped on request (TERM, INT, USR1) after a checkpoint"

  @Argument(
    help: ArgumentHelp("Shards of chunks; - or none: standard input.", valueName: "CHUNKS"))
  var chunks: [String] = []

  @OptionGroup var modelOptions: ModelOptions

  @OptionGroup var training: TrainingArguments

  @OptionGroup var memoryRoom: MemoryRoom

  @Option(
    help: ArgumentHelp(
      "Which chunks each segment reads (from ml-index). Without it: no memory.", valueName: "PLAN"))
  var plan: String?

  @Option(
    help: ArgumentHelp(
      "The adapter folder to stand on: merged into the base first.", valueName: "DIR"))
  var adapter: String?

  @OptionGroup var contextOptions: ContextOptions

  @OptionGroup var cache: CacheArguments

  @OptionGroup var checkpoints: CheckpointArguments

  @OptionGroup var options: CommonOptions

  func validate() throws {
    try training.validateRanges()
    _ = try options.outputFolder("the adapter's")
    try checkpoints.validateRanges()
    try cache.validateRanges()
  }

  func run() throws {
    let folder = try options.outputFolder("the adapter's")
    let cost = CostLine()
    try LoadedModel.checkAdapterWritable(folder: folder)
    let locks = try holdOutputs(folder)
    defer { locks.forEach { $0.release() } }
    let store = try CheckpointStore(checkpoints.folder(output: folder))
    let input = try ChunkInput(chunks)
    let census = input.census
    guard census.longestDocument > 1 else {
      throw ToolError("no document has a second token: nothing is to be predicted")
    }
    try options.noteSeal(ofAdapter: adapter)
    let loaded = try plan.map { try LoadedPlan(path: $0, for: census) }
    let lanes = try self.lanes(census, loaded)
    var settings = try training.options(
      microSteps: try stepCount(input, lanes), lanes: lanes.count, seed: options.seed)
    let outline = try self.outline(census)
    try settings.schedule.checkTrains()
    settings.context = try contextOptions.sliding(
      usual: .usual(
        layout: outline.memory?.layout(layerCount: outline.configuration.layerCount),
        adapter: adapter, plan: loaded, segmentTokens: census.longestSegment))
    try settings.context?.check(census)
    options.noteContext(of: loaded, read: settings.context?.plannedTokens)
    try checkFrozen(outline, settings)
    try outline.check(census.parameters.tokenizer)
    settings.adapter = try settings.adapter.fitted(to: outline.configuration)
    let estimate = try estimateMemory(outline, settings, census, loaded, lanes)
    let names = try LoadedModel.Names(outline.files, adapter: adapter)
    let identity = self.identity(outline, names, census, loaded, settings)
    let stored = try checkpoint(identity, store)
    let frozen = frozenLayers(outline, settings)
    let compute = modelOptions.makeCompute(options)
    let cache = try frozenCache(outline, names, settings, below: frozen, input, loaded, compute)
    let model = try LoadedModel(
      outline, adapter: adapter, residency: modelOptions.weights, from: frozen ?? 0,
      compute: compute, names: names)
    model.decoder.memoryStore = memoryRoom.makeStore()
    let layers = settings.mode.adaptedLayers(of: model.decoder)
    model.decoder.addAdapters(settings.adapter, layers: layers, seed: options.seed)
    let trainer = try self.trainer(model, settings, input, lanes, loaded, cache, stored)
    options.note(
      "stage \(training.stage): \(trainer.trainedValues) trained values, \(census.tokens) tokens, "
        + "\(settings.schedule.totalSteps) steps")
    options.note(estimate.text)
    let tokens = trainer.tokens
    try TrainingLoop(
      trainer: trainer, identity: identity, settings: settings, arguments: checkpoints,
      options: options, store: store, isResumed: stored != nil, totalTokens: census.tokens
    ).run()
    try model.saveAdapter(
      settings.adapter, layers: layers, folder: folder,
      foundation: adapter,
      fields: .init(
        topK: loaded?.parameters.topK ?? 0, memoryTokens: loaded?.parameters.memoryTokens ?? 0,
        segmentTokens: census.parameters.segmentTokens, context: settings.context),
      provenance: try options.provenance(
        adapter: adapter, census, loaded, inputs: chunks,
        omitting: CheckpointArguments.unrecorded.union(["--cache-frozen"]),
        flags: CheckpointArguments.unrecordedFlags))
    cost.print(tokens: trainer.tokens - tokens, options: options)
  }

  private func outline(_ census: ChunkCensus) throws -> ModelOutline {
    let stored = try adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    return try ModelOutline(path: modelOptions.model) { layerCount in
      try modelOptions.memory(
        layerCount: layerCount, chunkTokens: census.parameters.chunkTokens, adapter: stored,
        standard: .upper,
        layers: { training.retrievalLayers(of: $0, from: $1, layerCount: layerCount) })
    }
  }

  /// Rows of each lane. A memory that is never emptied spans its whole stream, so lanes then part
  /// between streams that were planned one by one.
  private func lanes(_ census: ChunkCensus, _ plan: LoadedPlan?) throws -> [Range<Int>] {
    let keepsStreams = plan.map { $0.parameters.reset != "document" } ?? false
    let parts = plan?.streams == census.streams ? census.streams : 1
    guard !keepsStreams || training.lanes <= parts else {
      throw ToolError.usage(
        "--lanes is \(training.lanes), but the plan's memory is never emptied: it spans "
          + "\(parts == 1 ? "all chunks" : "\(parts) streams"), so \(parts) at most")
    }
    // A lane without documents would hold a reader, with its block of the shard, for nothing.
    return census.lanes(training.lanes, keepsStreams: keepsStreams).filter { !$0.isEmpty }
  }

  /// Micro-steps until the longest lane ends.
  private func stepCount(_ input: ChunkInput, _ lanes: [Range<Int>]) throws -> Int {
    lanes.map { rows in
      input.census.documents.filter { rows.contains($0.rows.lowerBound) }
        .reduce(0) { $0 + $1.segments }
    }.max() ?? 0
  }
}

extension TrainingMode {
  func adaptedLayers(of decoder: Decoder) -> Range<Int> {
    adaptedLayers(
      memoryLayer: decoder.memory?.memoryLayer ?? 0, layerCount: decoder.configuration.layerCount)
  }
}
