import ArgumentParser
import Evaluation
import ModelSupport
import Safetensors
import ShardIO
import ToolSupport

extension InContextTask: ExpressibleByArgument {}

struct InContextLearning: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "icl",
    abstract: "Accuracy of in-context learning, with demonstrations in context and in memory.",
    discussion: helpDiscussion(
      "For each number of --shots in context, of demonstrations in memory and each seed, the test "
        + "items are labelled by two rules: the published one (the most likely next token begins "
        + "the label's name) and a stricter one (the right label is the likeliest). Draws are "
        + "those of the published code: Python's random.sample under each seed, the same "
        + "demonstrations in context for all items, fresh ones in memory for each. What is in "
        + "memory is read a chunk at a time, each retrieving from those before. Files are read as "
        + "the published loaders read them; SST-2 and SST-5 are tested on their development sets.",
      examples: [
        "ml-eval icl --task sst-2 --data SST-2 --model M.gguf --shots 0,4 -o off.json",
        "ml-eval icl --task mr --data mr --model M.gguf --retriever R -o mr.json",
      ]))

  @Option(help: "sst-2, mr, sst-5, subj or mpqa.")
  var task: InContextTask

  @Option(
    help: ArgumentHelp("The folder with the task's files, or the one around it.", valueName: "DIR"))
  var data: String?

  @Option(help: ArgumentHelp("The examples to draw from, instead of --data's.", valueName: "FILE"))
  var train: String?

  @Option(help: ArgumentHelp("The items to label, instead of --data's.", valueName: "FILE"))
  var test: String?

  @Option(help: ArgumentHelp("Demonstrations in context.", valueName: "LIST"))
  var shots = NumberList([0, 4])

  @Option(
    help: ArgumentHelp("Demonstrations in memory; 0 is memory off.", valueName: "LIST"))
  var memoryShots = NumberList([0])

  @Option(help: ArgumentHelp("Seeds of the draws.", valueName: "LIST"))
  var seeds = NumberList([1, 2, 3])

  @Option(
    help: ArgumentHelp(
      "Label N test items only, drawn by --seed. (default: all)", valueName: "N"))
  var limit: Int?

  @Flag(
    help:
      "With no demonstrations in memory, keep the begin token alone there, as the published code does."
  )
  var beginInMemory = false

  @OptionGroup var modelOptions: ModelOptions
  @OptionGroup var recall: RecallOptions
  @OptionGroup var options: CommonOptions

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit is \(limit), not positive") }
    guard data != nil || (train != nil && test != nil) else {
      throw ValidationError("--data DIR, or --train FILE and --test FILE, must name the examples")
    }
  }

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output, isBinary: false)
    let train = try ExampleFile(task, train, data, task.files.train)
    let test = try ExampleFile(task, test, data, task.files.test)
    let most = (shots.numbers + memoryShots.numbers).max() ?? 0
    guard most <= train.examples.count else {
      throw ToolError(
        "\(train.path): \(train.examples.count) examples, fewer than \(most) to draw")
    }
    let drawn = InContextResult.draw(limit, of: test.examples.count, seed: options.seed)
    let session = try RecallSession(
      recall, modelOptions, usesMemory: beginInMemory || memoryShots.numbers.contains { $0 > 0 },
      segmentTokens: recall.chunkTokens, promptTokens: 1024, options: options)
    var answering = InContextAnswering(
      task: task, train: train.examples,
      items: drawn?.map { test.examples[$0] } ?? test.examples, session: session,
      beginInMemory: beginInMemory)
    let runs = try answering.runs(
      shots: shots.numbers, memoryShots: memoryShots.numbers, seeds: seeds.numbers,
      progress: Progress(
        "items",
        total: answering.items.count * shots.numbers.count * memoryShots.numbers.count
          * seeds.numbers.count, quiet: options.quiet))
    let result = try InContextResult(
      toolVersion: toolVersion, task: task,
      model: .init(name: session.model.model.name, digest: session.model.model.digest),
      adapter: session.model.adapter.map { .init(name: $0.name, digest: $0.digest) },
      memory: session.memory, context: session.context, train: train.identity, test: test.identity,
      addsBeginToken: !session.begin.isEmpty, drawn: drawn, targets: answering.items.map(\.label),
      runs: runs,
      seconds: cost.seconds, provenance: try provenance(train, test))
    try output.write(result.json.prettyEncoded + "\n")
    try output.commit()
    for line in result.lines { options.note(line) }
    cost.print(tokens: answering.tokens, options: options)
  }

  private func provenance(_ train: ExampleFile, _ test: ExampleFile) throws -> JSONValue {
    let chain = options.provenance(
      earlier: try LoadedModel.provenance(ofAdapter: recall.adapter), inputs: [],
      digests: [train.digest, test.digest],
      omitting: ["--data", "--train", "--test"])
    return try JSONValue(parsing: (chain ?? []).encoded)
  }
}

/// A file of examples as it was found.
private struct ExampleFile {
  let path: String
  let digest: Digest
  let examples: [LabelledText]

  /// - Throws: `ToolError` naming the file, and its line where that is wrong.
  init(_ task: InContextTask, _ path: String?, _ folder: String?, _ name: String) throws {
    let candidates = path.map { [$0] } ?? task.folders.map { "\(folder ?? ".")/\($0)\(name)" }
    self.path = candidates.first { isReadable($0) } ?? candidates[0]
    let bytes = try readFile(self.path, limit: 1 << 30)
    digest = bytes.withUnsafeBytes { Digest.of($0) }
    do { examples = try task.parse(bytes) } catch { throw ToolError("\(self.path): \(error)") }
  }

  var identity: InContextResult.DataFile {
    .init(
      name: path.split(separator: "/").last.map(String.init) ?? path,
      digest: digest.description, examples: examples.count)
  }
}
