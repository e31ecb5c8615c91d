import ArgumentParser
import Evaluation
import ModelSupport
import Safetensors
import ShardIO
import ToolSupport

extension NeedleTask: ExpressibleByArgument {}

struct Needle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needle",
    abstract: "Hide a number in a long text, read it with memory, and ask for it at the end.",
    discussion: helpDiscussion(
      "For every length, depth and trial: the text is read segment by segment, each retrieving "
        + "from those before by the text before it; then comes the question, which retrieves by its "
        + "own text and has the end of the text in its context, as a segment has. The answer is decoded greedily, and the key "
        + "ranked by likelihood among ten. Trials have the same keys for every length and depth.",
      examples: [
        "ml-eval needle --model M.gguf --retriever R --lengths 4096 -o result.json",
        "ml-eval needle --model M.gguf --select recent --haystack book.txt -o r.json",
      ]))

  @Option(help: "passkey (five digits) or needle (the magic number of a word).")
  var task = NeedleTask.passkey

  @Option(
    help: ArgumentHelp(
      "A text that fills the haystack. (default: the sentences of the passkey task)",
      valueName: "FILE"))
  var haystack: String?

  @Option(help: ArgumentHelp("Tokens of the text before the question.", valueName: "LIST"))
  var lengths = NumberList([1024, 4096, 16384])

  @Option(help: ArgumentHelp("Depths of the needle in percent.", valueName: "LIST"))
  var depths = NumberList([0, 25, 50, 75, 100])

  @Option(help: ArgumentHelp("Questions for each length and depth.", valueName: "N"))
  var trials = 1

  @Option(help: ArgumentHelp("Tokens of a segment, a multiple of G.", valueName: "S"))
  var segmentTokens = 1024

  @Option(
    help: ArgumentHelp(
      "In place of a context: last tokens of the text that stand before the question.",
      valueName: "N"))
  var localTokens = 0

  @Flag(help: "No memory: read the text beside its context alone, and the question.")
  var off = false

  @OptionGroup var modelOptions: ModelOptions
  @OptionGroup var recall: RecallOptions
  @OptionGroup var options: CommonOptions

  func validate() throws {
    guard (1...1 << 16).contains(trials) else {
      throw ValidationError("--trials is \(trials), not in 1...\(1 << 16)")
    }
    if let depth = depths.numbers.first(where: { $0 > 100 }) {
      throw ValidationError("--depths: \(depth) is more than 100 %")
    }
    if let length = lengths.numbers.first(where: { !(1...1 << 24).contains($0) }) {
      throw ValidationError("--lengths: \(length) is not in 1...\(1 << 24)")
    }
    guard (0...1 << 20).contains(localTokens) else {
      throw ValidationError("--local-tokens is \(localTokens), not in 0...\(1 << 20)")
    }
    if localTokens > 0, recall.contextOptions.context.map({ $0 != .none }) ?? false {
      throw ValidationError("--local-tokens stands in place of --context")
    }
    guard (1...1 << 20).contains(segmentTokens), segmentTokens.isMultiple(of: recall.chunkTokens)
    else {
      throw ValidationError(
        "--segment-tokens is \(segmentTokens), not a multiple of --chunk-tokens "
          + "\(recall.chunkTokens) up to \(1 << 20)")
    }
  }

  private func readHaystack(_ path: String) throws -> [UInt8] {
    let text = try readFile(path, limit: 1 << 28)
    try checkUTF8(text, path: path)
    return text
  }

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output, isBinary: false)
    let text = try haystack.map(readHaystack) ?? Array(NeedleTask.filler.utf8)
    let session = try RecallSession(
      recall, modelOptions, usesMemory: !off, segmentTokens: segmentTokens,
      promptTokens: localTokens + 256, hasLocalTokens: localTokens > 0, options: options)
    var asking = NeedleAsking(
      task: task, session: session, haystack: String(decoding: text, as: UTF8.self),
      chunkTokens: recall.chunkTokens, localTokens: localTokens, seed: options.seed)
    guard asking.hasFiller else { throw ToolError("\(haystack ?? "--haystack"): holds no text") }
    let answers = try asking.answers(
      lengths: lengths.numbers, depths: depths.numbers, trials: trials,
      progress: Progress(
        "tokens", total: lengths.numbers.reduce(0, +) * depths.numbers.count * trials,
        quiet: options.quiet || off && session.context == nil))
    let digest = text.withUnsafeBytes { Digest.of($0) }
    let result = try NeedleResult(
      toolVersion: toolVersion, task: task,
      model: .init(name: session.model.model.name, digest: session.model.model.digest),
      adapter: session.model.adapter.map { .init(name: $0.name, digest: $0.digest) },
      memory: session.memory, context: session.context, segmentTokens: segmentTokens,
      localTokens: localTokens,
      haystack: digest.description,
      seed: Int(clamping: options.seed), answers: answers, seconds: cost.seconds,
      provenance: try provenance(digest))
    try output.write(result.json.prettyEncoded + "\n")
    try output.commit()
    cost.print(
      tokens: asking.tokens,
      others: ["exact answers \(decimal((result.share(.correct) ?? 0) * 100, 1)) %"],
      options: options)
  }

  private func provenance(_ digest: Digest) throws -> JSONValue {
    let chain = options.provenance(
      earlier: try LoadedModel.provenance(ofAdapter: recall.adapter), inputs: [],
      digests: [digest], omitting: ["--haystack"])
    return try JSONValue(parsing: (chain ?? []).encoded)
  }
}
