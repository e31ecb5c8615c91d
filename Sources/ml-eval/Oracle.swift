import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import Records
import ToolSupport

struct Oracle: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a plan of the chunks that help the model most: the ceiling of retrieval.",
    discussion: helpDiscussion(
      "In a sample of the segments every chunk in memory is read alone, and those that lower the loss "
        + "of a block's text most replace what PLAN retrieves: a run of the model for each chunk. The "
        + "other rows are PLAN's. The result is a plan for ml-eval lm; it sees the future.",
      examples: [
        "ml-eval oracle --model M.gguf --plan plan.mls -o oracle.mls chunks.mls",
        "ml-eval oracle --model M.gguf --plan p.mls --every 16 c.mls > oracle.mls",
      ]))

  @Argument(
    help: ArgumentHelp("Shards of chunks; - or none: standard input.", valueName: "CHUNKS"))
  var chunks: [String] = []

  @OptionGroup var modelOptions: ModelOptions

  @Option(
    help: ArgumentHelp("An adapter folder of ml-train or PEFT to apply.", valueName: "DIR"))
  var adapter: String?

  @OptionGroup var contextOptions: ContextOptions

  @Option(help: ArgumentHelp("The plan to improve on (from ml-index).", valueName: "PLAN"))
  var plan: String

  @Option(help: ArgumentHelp("Search in every Nth segment, from the Nth on.", valueName: "N"))
  var every = 8

  @OptionGroup var options: CommonOptions

  func validate() throws {
    guard (1...Int(Int32.max)).contains(every) else {
      throw ValidationError("--every is \(every), not in 1...\(Int32.max)")
    }
    if plan == "-" { throw ValidationError("--plan is read twice: it cannot be standard input") }
  }

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output)
    let input = try ChunkInput(chunks)
    let loaded = try LoadedPlan(path: plan, for: input.census)
    guard loaded.parameters.topK > 0 else { throw ToolError("\(plan): top_k is 0") }
    let outline = try modelOptions.outline(input.census, adapter: adapter, hasMemory: true)
    try options.noteSeal(ofAdapter: adapter)
    let model = try LoadedModel(
      outline, adapter: adapter, residency: modelOptions.weights,
      compute: modelOptions.makeCompute(options))
    var parameters = loaded.parameters
    parameters.select = MemoryLabel.Selection.oracle.rawValue
    let writer = PlanWriter(
      sink: output, parameters: parameters,
      provenance: options.provenance(
        earlier: loaded.provenance, inputs: chunks, omitting: ["--plan"]))
    let reader = try PlanReader(source: try InputFile(plan))
    let context = try contextOptions.sliding(
      usual: .usual(
        layout: modelOptions.layout(of: outline, adapter: adapter), adapter: adapter, plan: loaded,
        segmentTokens: input.census.longestSegment))
    try context?.check(input.census)
    options.noteContext(of: loaded, read: context?.plannedTokens)
    try search(model.decoder, input, context, reader, writer)
    while try reader.next() != nil {}
    try writer.finish(
      chunksDigest: input.census.digest, embeddingsDigest: reader.embeddingsDigest,
      chunkRows: input.census.rows, inputs: [input.census.digest, loaded.digest])
    try output.commit()
    cost.print(rows: writer.rows, tokens: input.census.tokens, options: options)
  }

  private func search(
    _ decoder: Decoder, _ input: ChunkInput, _ context: SlidingContext?, _ reader: PlanReader,
    _ writer: PlanWriter
  ) throws {
    let planner = OraclePlanner(
      decoder, topK: reader.parameters.topK, segmentTokens: input.census.longestSegment,
      context: context, heldBack: reader.parameters.heldBack,
      resets: reader.parameters.reset == "document", every: every)
    var lane = LaneReader(try input.open(), rows: 0..<input.census.rows)
    let progress = Progress("segments", total: input.census.segments, quiet: options.quiet)
    var rows: ArraySlice<PlanRow> = []
    while let segment = try lane.next() {
      let end = segment.firstRow + segment.chunkLengths.count
      while (rows.last?.row ?? -1) < end, let batch = try reader.next() { rows += batch.rows }
      let own = rows.prefix { $0.row < end }
      rows = rows.dropFirst(own.count)
      let choices = try planner.read(segment, blocks: own.map(OraclePlanner.Block.init))
      for (var row, choice) in zip(own, choices) {
        if let choice {
          row.neighbours = choice.neighbours.map(Int64.init)
          row.scores = choice.gains.map(Float.init)
        }
        try writer.append(row)
      }
      progress.update(planner.segments, note: "\(planner.liveChunks) chunks in memory")
    }
    progress.finish()
  }
}

extension OraclePlanner.Block {
  init(_ row: PlanRow) {
    self.init(
      row: Int(row.row), neighbours: row.neighbours.map { Int($0) },
      evicted: row.evicted.map { Int($0) })
  }
}
