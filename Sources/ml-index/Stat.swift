import ArgumentParser
import Indexing
import Kernels
import Records
import Safetensors
import ShardIO
import ToolSupport

struct Stat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describe a plan: hit ages, hits per chunk, live chunks, evictions.",
    discussion: helpDiscussion(
      "With --embeddings the memory is simulated once more, unbounded, to count the rows that a "
        + "longer memory would have retrieved but that the plan had evicted.",
      examples: ["ml-index stat plan.mls", "ml-index stat --json --embeddings e.mls plan.mls"]))

  @Argument(help: ArgumentHelp("Shards of a plan; - or none: standard input.", valueName: "PLAN"))
  var plan: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("The embeddings that the plan was made from.", valueName: "EMBEDDINGS"))
  var embeddings: [String] = []

  @Flag(help: "Print JSON and not a table.")
  var json = false

  @OptionGroup var options: CommonOptions

  func validate() throws {
    if embeddings.contains("-"), plan.isEmpty || plan.contains("-") {
      throw ValidationError("--embeddings and PLAN are both standard input")
    }
  }

  func run() throws {
    let cost = CostLine()
    let rows = PlannedRows(try PlanReader(sources: try InputFile.all(plan)))
    let again = embeddings.isEmpty ? nil : try InputFile.all(embeddings)
    let output = try OutputFile(options.output, isBinary: false)
    let regret = try again.map { try replay(rows, EmbeddingReader(sources: $0)) }
    while try rows.next() != nil {}
    let summary = rows.statistics.summary(regret: regret)
    try output.write(json ? try described(summary, rows.reader) : summary.table)
    try output.commit()
    cost.print(rows: summary.rows, options: options)
  }

  /// The statistics as JSON, and whose they are.
  private func described(
    _ summary: PlanStatistics.Summary, _ reader: PlanReader
  ) throws -> String {
    let plan = reader.parameters
    let chain = options.provenance(
      earlier: reader.provenance, inputs: self.plan, digests: [reader.digest],
      omitting: ["--embeddings"])
    var fields = try JSONValue(parsing: encoded(summary)).objectValue ?? [:]
    var rules: [String: JSONValue] = [
      "digest": .string(reader.digest.description), "select": .string(plan.select),
      "query": .string(plan.query), "query_tokens": .integer(Int64(plan.queryTokens)),
      "block_tokens": .integer(Int64(plan.blockTokens)), "top_k": .integer(Int64(plan.topK)),
      "memory_tokens": .integer(Int64(plan.memoryTokens)), "eviction": .string(plan.eviction),
      "reset": .string(plan.reset),
    ]
    if plan.recentChunks > 0 { rules["recent_chunks"] = .integer(Int64(plan.recentChunks)) }
    if let context = plan.contextTokens { rules["context_tokens"] = .integer(Int64(context)) }
    if let layout = plan.layout { rules["layout"] = .string(layout) }
    fields["plan"] = .object(rules)
    fields["provenance"] = try JSONValue(parsing: (chain ?? []).encoded)
    return JSONValue.object(fields).prettyEncoded + "\n"
  }

  /// The plan's blocks beside those of an unbounded memory under the plan's other rules.
  private func replay(
    _ rows: PlannedRows, _ reader: EmbeddingReader
  ) throws -> EvictionRegret.Summary {
    var regret = EvictionRegret()
    let planner = MemoryPlanner(
      try rows.unboundedSettings(), dimension: reader.parameters.dimension,
      workers: options.makeWorkers()
    ) { block in
      guard let planned = try rows.next() else {
        throw ToolError("the plan ends before row \(block.row), where the embeddings have a block")
      }
      try regret.add(planned: planned, unbounded: block)
    }
    do {
      let progress = Progress("chunks", quiet: options.quiet)
      while let batch = try reader.next() {
        try planner.append(KeyBatch(batch))
        progress.update(planner.nextRow)
      }
      try planner.finish()
      if let extra = try rows.next() {
        throw ToolError("the plan has a block at row \(extra.row), the embeddings have not")
      }
    } catch let error where !(error is ShardError) {
      // A plan of other embeddings is refused as such, whatever differed first.
      try checkDigests(rows, reader)
      throw error
    }
    try checkDigests(rows, reader)
    return regret.summary
  }

  private func checkDigests(_ rows: PlannedRows, _ reader: EmbeddingReader) throws {
    while try rows.next() != nil {}
    while try reader.next() != nil {}
    guard rows.reader.embeddingsDigest == reader.digest else {
      throw ToolError(
        "the plan was made from embeddings \(rows.reader.embeddingsDigest), these are "
          + "\(reader.digest)")
    }
  }
}

/// The blocks of a plan, one after the other, counted as they pass.
private final class PlannedRows {
  let reader: PlanReader
  private(set) var statistics = PlanStatistics()
  private var batch: [PlanRow] = []
  private var position = 0

  init(_ reader: PlanReader) { self.reader = reader }

  func next() throws -> PlannedBlock? {
    while position == batch.count {
      guard let next = try reader.next() else { return nil }
      (batch, position) = (next.rows, 0)
    }
    let block = PlannedBlock(batch[position])
    position += 1
    statistics.add(block)
    return block
  }

  func unboundedSettings() throws -> MemorySettings {
    let plan = reader.parameters
    guard let reset = MemoryReset(rawValue: plan.reset),
      let selection = Selection(rawValue: plan.select), plan.topK >= 1
    else {
      throw ToolError(
        "the plan's rules are unknown: top_k \(plan.topK), reset \(plan.reset), "
          + "select \(plan.select)")
    }
    return MemorySettings(
      topK: plan.topK, capacity: 1, eviction: .none, reset: reset, selection: selection,
      seed: plan.seed, alwaysRecent: min(plan.recentChunks, plan.topK),
      heldBack: plan.heldBack)
  }
}
