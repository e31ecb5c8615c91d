import ArgumentParser
import ModelSupport
import Modeling
import Records
import Safetensors
import ShardIO
import ToolSupport
import Training

@main
enum Main {
  static func main() { runTool(TrainTool.self) }
}

struct TrainTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-train",
    abstract: "Train LoRA adapters over a chunk stream that follows a retrieval plan.",
    discussion: helpDiscussion(
      "Stage 1 (warm-up) trains adapters in every layer and retrieves in all layers above the memory "
        + "layer; stage 2 stands on stage 1's adapter, freezes the layers up to the memory layer and "
        + "retrieves in the named layers. Every value of a stage is an option's default.",
      examples: [
        "ml-train --stage 1 --model M.gguf --plan plan.mls -o stage1 chunks.mls",
        "ml-train --stage 2 --model M.gguf --adapter stage1 --plan plan.mls -o stage2 chunks.mls",
      ]),
    version: toolVersion)

  @Argument(
    help: ArgumentHelp("Shards of chunks; - or none: standard input.", valueName: "CHUNKS"))
  var chunks: [String] = []

  @OptionGroup var modelOptions: ModelOptions

  @OptionGroup var training: TrainingArguments

  @Option(
    help: ArgumentHelp(
      "Which chunks each segment reads (from ml-index). Without it: no memory.", valueName: "PLAN"))
  var plan: String?

  @Option(
    help: ArgumentHelp(
      "The adapter folder to stand on: merged into the base first.", valueName: "DIR"))
  var adapter: String?

  @Option(
    help: ArgumentHelp("Write one JSON object a step to FILE.", valueName: "FILE"))
  var log: String?

  @OptionGroup var options: CommonOptions

  func validate() throws {
    try training.validateRanges()
    guard options.output != nil else {
      throw ValidationError("-o DIR, the adapter's folder, is missing")
    }
  }

  func run() throws {
    guard let folder = options.output else { return }
    let cost = CostLine()
    let input = try ChunkInput(chunks)
    let census = input.census
    let loaded = try plan.map {
      try LoadedPlan(try PlanReader(source: try InputFile($0)), for: census)
    }
    let model = try load(census)
    try model.check(census.parameters.tokenizer)
    let lanes = census.lanes(training.lanes)
    try checkLanes(loaded)
    let settings = try training.options(
      microSteps: try stepCount(input, lanes), seed: options.seed)
    let layers = settings.mode.adaptedLayers(of: model.decoder)
    model.decoder.addAdapters(settings.adapter, layers: layers, seed: options.seed)
    let trainer = try Trainer(
      decoder: model.decoder, options: settings,
      sources: try lanes.map { LaneReader(try input.open(), rows: $0) },
      plan: loaded?.plan ?? RetrievalPlan(), segmentTokens: census.longestSegment)
    options.note(
      "stage \(training.stage): \(trainer.trainedValues) trained values, \(census.tokens) tokens, "
        + "\(settings.schedule.totalSteps) steps")
    try train(trainer, settings, census)
    try model.saveAdapter(
      settings.adapter, layers: layers, folder: folder,
      foundation: adapter,
      fields: .init(
        topK: loaded?.parameters.topK ?? 0, memoryTokens: loaded?.parameters.memoryTokens ?? 0,
        segmentTokens: census.parameters.segmentTokens))
    cost.print(tokens: trainer.tokens, options: options)
  }

  private func load(_ census: ChunkCensus) throws -> LoadedModel {
    let stored = try adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    return try LoadedModel(
      path: modelOptions.model, adapter: adapter,
      memory: { layerCount in
        modelOptions.memory(
          layerCount: layerCount, chunkTokens: census.parameters.chunkTokens, adapter: stored,
          layers: { training.retrievalLayers(from: $0, layerCount: layerCount) })
      }, residency: modelOptions.weights, threads: options.threadCount)
  }

  /// A memory that is never emptied spans the whole stream, so it cannot be cut into lanes.
  private func checkLanes(_ plan: LoadedPlan?) throws {
    guard training.lanes > 1, let plan, plan.parameters.reset != "document" else { return }
    throw ToolError.usage(
      "--lanes is \(training.lanes), but the plan's memory is never emptied: it needs 1")
  }

  /// Micro-steps until the longest lane ends.
  private func stepCount(_ input: ChunkInput, _ lanes: [Range<Int>]) throws -> Int {
    lanes.map { rows in
      input.census.documents.filter { rows.contains($0.rows.lowerBound) }
        .reduce(0) { $0 + $1.segments }
    }.max() ?? 0
  }

  private func train(_ trainer: Trainer, _ settings: TrainingOptions, _ census: ChunkCensus) throws
  {
    let log = try self.log.map { try OutputFile($0, isBinary: false) }
    let progress = Progress("tokens", total: census.tokens, quiet: options.quiet)
    let start = monotonicSeconds()
    while trainer.steps < settings.schedule.totalSteps, let report = try trainer.step() {
      guard report.loss.isFinite, report.gradientNorm.isFinite else {
        throw ToolError("step \(report.step): the loss is \(report.loss); training diverged")
      }
      progress.update(report.tokens, note: "loss \(decimal(report.loss, 3))")
      options.detail("step \(report.step): loss \(decimal(report.loss, 4))")
      try log?.write(report.json(seconds: monotonicSeconds() - start).encoded + "\n")
    }
    progress.finish()
    try log?.commit()
  }
}

extension StepReport {
  func json(seconds: Double) -> JSONValue {
    .object([
      "step": .integer(Int64(step)), "loss": .number(loss), "learning_rate": .number(learningRate),
      "gradient_norm": .number(gradientNorm), "tokens": .integer(Int64(tokens)),
      "hits": .integer(Int64(hits)), "tokens_per_second": .number(Double(tokens) / seconds),
    ])
  }
}

extension TrainingMode {
  func adaptedLayers(of decoder: Decoder) -> Range<Int> {
    adaptedLayers(
      memoryLayer: decoder.memory?.memoryLayer ?? 0, layerCount: decoder.configuration.layerCount)
  }
}
