import ArgumentParser
import Indexing
import Kernels
import Records
import ShardIO
import ToolSupport

struct Search: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the nearest keys for the query vectors of other embeddings, as JSON lines.",
    discussion: helpDiscussion(
      "Neighbours come best first; of equal scores the older. A query of zeros finds nothing.",
      examples: [
        "ml-index search --keys embeddings.mls questions.mls",
        "ml-embed --model MODEL new.mls | ml-index search --keys embeddings.mls",
      ]))

  @Argument(
    help: ArgumentHelp(
      "Embeddings whose queries are asked; - or none: standard input.", valueName: "QUERIES"))
  var queries: [String] = []

  @Option(help: ArgumentHelp("Embeddings whose keys are searched.", valueName: "EMBEDDINGS"))
  var keys: String

  @Option(help: ArgumentHelp("Neighbours of each query.", valueName: "N"))
  var topK = 8

  @OptionGroup var options: CommonOptions

  private struct Line: Encodable {
    var queryRow: Int
    var neighbours: [Int]
    var scores: [Float]
  }

  func validate() throws {
    try check("--top-k", topK, in: 1...1 << 20)
    if keys == "-", queries.isEmpty || queries.contains("-") {
      throw ValidationError("--keys and QUERIES are both standard input")
    }
  }

  func run() throws {
    let cost = CostLine()
    let (asked, stored) = (try InputFile.all(queries), try InputFile(keys))
    let output = try OutputFile(options.output, isBinary: false)
    let queryReader = try EmbeddingReader(sources: asked)
    let keyReader = try EmbeddingReader(sources: [stored], readsAhead: options.threadCount > 1)
    try checkSameSpace(keyReader.parameters, queryReader.parameters)
    var (rows, vectors): ([Int], [Float]) = ([], [])
    while let batch = try queryReader.next() {
      rows += batch.queryRows
      vectors += batch.queries
    }
    var search = ExactSearch(
      queries: vectors, dimension: queryReader.parameters.dimension, topK: topK,
      workers: options.makeWorkers())
    let progress = Progress("chunks", quiet: options.quiet)
    while let batch = try keyReader.next() {
      try batch.keys.withUnsafeBufferPointer { try search.offer($0, firstRow: batch.firstRow) }
      progress.update(batch.firstRow + batch.rows)
    }
    for (row, answer) in zip(rows, search.answers) {
      let line = Line(queryRow: row, neighbours: answer.neighbours, scores: answer.scores)
      try output.write(encoded(line) + "\n")
    }
    try output.commit()
    progress.finish()
    cost.print(rows: rows.count, options: options)
  }

  private func checkSameSpace(_ keys: EmbeddingParameters, _ queries: EmbeddingParameters) throws {
    guard keys.dimension == queries.dimension else {
      throw ToolError("keys have dimension \(keys.dimension), queries \(queries.dimension)")
    }
    guard keys.modelDigest == queries.modelDigest else {
      throw ToolError(
        "keys come from model \(keys.modelName) (\(keys.modelDigest)), "
          + "queries from \(queries.modelName) (\(queries.modelDigest))")
    }
  }
}
