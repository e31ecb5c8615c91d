import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import Records
import ShardIO
import ToolSupport

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read documents, then continue a prompt with their memory.",
    discussion: helpDiscussion(
      """
      INPUT is UTF-8 text, plain or compressed; - is standard input; nothing reads no document; several \
      are read as one text. Its last --context tokens are attended to as they stand, and its first as \
      sinks. What is older becomes chunks of the memory, all of which is kept; the retriever's nearest \
      are attended to as well. What is generated enters the memory in the same way. Without --retriever \
      what is older is forgotten.

      A text is read by segments, so reading it at once, in several runs (--save-memory, then \
      --load-memory with further INPUT) and asking later print the same, byte for byte.

      The prompt retrieves by its own words. As it stands it is continued like the text: give it the \
      words that the text answers in. --chat puts it as a question, in the prompt format of the model's \
      family, behind the text; a small model answers that less often than it continues a sentence.
      """,
      examples: [
        "ml-eval generate --model M --retriever R --max-tokens 0 --save-memory m a.txt",
        "ml-eval generate --model M --retriever R --load-memory m --prompt 'So '",
        "ml-eval generate --model M.gguf --prompt 'Once upon a time' --temperature 0.8",
      ]))

  @Argument(help: ArgumentHelp("Documents to read first.", valueName: "INPUT"))
  var inputs: [String] = []

  @OptionGroup var modelOptions: ModelOptions

  @Option(
    help: ArgumentHelp("An adapter folder of ml-train or PEFT to apply.", valueName: "DIR"))
  var adapter: String?

  @Option(help: ArgumentHelp("The retriever's folder, as for ml-embed.", valueName: "DIR"))
  var retriever: String?

  @Option(help: ArgumentHelp("Text to continue, after the documents.", valueName: "TEXT"))
  var prompt = ""

  @Flag(
    help: ArgumentHelp(
      "Put the prompt as a user's turn in the format of the model's family: ChatML, Llama 3, Gemma or "
        + "Mistral, by its chat template."))
  var chat = false

  @Flag(
    help: ArgumentHelp(
      "Print the passages that were retrieved, for the prompt and for each block generated, with their "
        + "place in the text and their score, to standard error."))
  var showRetrieved = false

  @Option(help: ArgumentHelp("Tokens to generate at most.", valueName: "N"))
  var maxTokens = 256

  @Option(
    help: ArgumentHelp("0: the likeliest token; above: logits are divided by it.", valueName: "T"))
  var temperature = 0.0

  @Option(
    help: ArgumentHelp(
      "Draw among the likeliest tokens that hold this probability.", valueName: "P")
  )
  var topP = 1.0

  @OptionGroup var memory: ReadingOptions

  @Option(
    help: ArgumentHelp(
      "Write what was read to FILE, a shard, before anything is generated.", valueName: "FILE"))
  var saveMemory: String?

  @Option(help: ArgumentHelp("Begin with what --save-memory wrote.", valueName: "FILE"))
  var loadMemory: String?

  @OptionGroup var options: CommonOptions

  func validate() throws {
    guard maxTokens >= 0 else { throw ValidationError("--max-tokens is \(maxTokens), below 0") }
    guard temperature >= 0, temperature.isFinite else {
      throw ValidationError("--temperature is \(temperature), not 0 or more")
    }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p is \(topP), not in (0, 1]") }
    if retriever == nil, saveMemory != nil || loadMemory != nil {
      throw ValidationError("--save-memory and --load-memory need --retriever")
    }
    if showRetrieved && retriever == nil {
      throw ValidationError("--show-retrieved needs --retriever")
    }
    if chat && prompt.isEmpty { throw ValidationError("--chat needs a --prompt") }
    if inputs.isEmpty && prompt.isEmpty && loadMemory == nil {
      throw ValidationError("nothing to read: name an INPUT or a --prompt")
    }
    if maxTokens > 0 && prompt.isEmpty && inputs.isEmpty {
      throw ValidationError("--load-memory needs a --prompt to continue")
    }
    if let saveMemory, OutputFile.isSame(saveMemory, options.output) {
      throw ValidationError("--save-memory and the output are the same: \(saveMemory)")
    }
  }

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output, isBinary: false)
    let saved = try saveMemory.map { try OutputFile($0) }
    let documents = try inputs.map { try readText($0) }
    let reader = try MemoryReading(self)
    var tokens = 0
    for (path, text) in zip(inputs, documents) {
      tokens += try reader.read(text, name: documentName(path), quiet: options.quiet)
    }
    if let loss = reader.loss { options.note(loss) }
    if let saved {
      try reader.save(to: saved, provenance: try provenance(of: documents, reader))
    }
    if maxTokens > 0 { tokens += try ask(reader) }
    try saved?.commit()
    let generated = try generate(reader, to: output)
    try output.commit()
    cost.print(
      tokens: tokens + generated,
      others: [
        "\(generated) generated", "\(reader.session.liveChunks) chunks in memory",
        "\(reader.session.retrievals) retrievals",
      ], options: options)
  }

  /// Reads what waits, then the prompt; how many tokens it has.
  private func ask(_ reader: MemoryReading) throws -> Int {
    try reader.session.finishReading()
    if showRetrieved {
      let asked = reader.session.tokens.count
      reader.session.didRetrieve = { passages in
        let past = reader.session.tokens.count - asked
        for passage in passages {
          printMessage("for \(past == 0 ? "the prompt" : "token \(past)"): \(reader.line(passage))")
        }
      }
    }
    return prompt.isEmpty ? 0 : try reader.ask(prompt, asChat: chat)
  }

  private func documentName(_ path: String) -> String {
    path == "-" ? "standard input" : path.split(separator: "/").last.map(String.init) ?? path
  }

  /// Of what was read: the prompt and what follows it come later.
  private func provenance(of documents: [[UInt8]], _ reader: MemoryReading) throws -> Provenance? {
    options.provenance(
      earlier: try LoadedModel.provenance(ofAdapter: adapter) + (reader.storedProvenance ?? []),
      inputs: inputs, digests: documents.map { $0.withUnsafeBytes { Digest.of($0) } },
      omitting: [
        "--prompt", "--max-tokens", "--temperature", "--top-p", "--load-memory", "--save-memory",
      ], flags: ["--chat", "--show-retrieved"])
  }

  private func generate(_ reader: MemoryReading, to output: OutputFile) throws -> Int {
    var sampler = TokenSampler(temperature: temperature, topP: topP, seed: options.seed)
    var text = GeneratedText()
    var count = 0
    while count < maxTokens {
      let token = sampler.next(reader.session.logits)
      if reader.endTokens.contains(token) {
        if count == 0 { options.note("the model ended at once, with \(spelling(token, reader))") }
        break
      }
      count += 1
      let bytes = text.append(
        reader.tokenizer.decode([token], skippingSpecialTokens: true))
      try bytes.withUnsafeBytes { try output.write($0) }
      try output.flush()
      if count < maxTokens { try reader.session.follow(token) }
    }
    try text.finish().withUnsafeBytes { try output.write($0) }
    if count > 0 { try output.write("\n") }
    return count
  }

  private func spelling(_ token: Int32, _ reader: MemoryReading) -> String {
    let text = reader.tokenizer.decodeText([token], skippingSpecialTokens: false)
    return String(decoding: text, as: UTF8.self)
  }

  private func readText(_ path: String) throws -> [UInt8] {
    let file = try InputFile.openText(path)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = try buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0
    {
      bytes += buffer[..<count]
    }
    guard !bytes.isEmpty else { throw ToolError("\(path): empty") }
    try checkUTF8(bytes, path: path)
    return bytes
  }
}
