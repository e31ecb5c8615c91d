import ArgumentParser
import Chunking
import Records
import ShardIO
import Tokenization
import ToolSupport

extension Packing: ExpressibleByArgument {}
extension DocumentFormat: ExpressibleByArgument {}
extension SpecialTokenHandling: ExpressibleByArgument {}
extension Joining: ExpressibleByArgument {}

enum ErrorHandling: String, ExpressibleByArgument, CaseIterable {
  case stop, skip
}

enum Separator: String, ExpressibleByArgument, CaseIterable {
  case none, eos
}

struct MLChunk: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-chunk",
    abstract: "Tokenises documents and cuts them into chunks.",
    discussion: helpDiscussion(
      """
      INPUT is JSON lines (.jsonl, .jsonlines, .ndjson, .json) or plain text (.txt, .text, .md, \
      .markdown, .rst, .tokens, .raw: one document a file), plain or compressed (.zst, .zstd, \
      .gz); a folder stands for all files of these names in it but READMEs, in sorted order, and \
      names the others; - or nothing is standard input. Documents keep their order; those without \
      tokens are dropped. Of n documents the last round(F n), at least one and not all, are held \
      out; memory holds them. A lone surrogate escape in JSON becomes U+FFFD.
      """,
      examples: [
        "ml-chunk --tokenizer model.gguf -o chunks.mls books.jsonl.zst",
        "zstdcat a.zst | ml-chunk --tokenizer m.gguf --max-tokens 1000000 > c.mls",
      ]),
    version: toolVersion)

  private static let defaultSegmentTokens = 1024

  @Argument(help: ArgumentHelp("Documents.", valueName: "INPUT"))
  var inputs: [String] = []

  @Option(
    name: [.customLong("tokenizer"), .customLong("model")],
    help: ArgumentHelp(
      "A model's folder or GGUF file, a tokenizer.json, a SentencePiece model or a vocab.txt.",
      valueName: "PATH"))
  var tokenizer: ModelName

  @Option(help: ArgumentHelp("Tokens in a chunk, 1...65535.", valueName: "G"))
  var chunkTokens = 128

  @Option(
    help: ArgumentHelp(
      "Tokens in a segment, a multiple of G; with --window its own. (default: 1024)",
      valueName: "S"))
  var segmentTokens: Int?

  @Option(help: "document: no chunk crosses a document; stream: documents are concatenated.")
  var pack = Packing.document

  @Option(help: "With --pack stream, the token between two documents: none or eos.")
  var separator = Separator.none

  @Flag(help: "Begin every document with the beginning-of-text token.")
  var bos = false

  @OptionGroup var window: WindowOptions

  @Option(
    name: [.customLong("max-tokens"), .customLong("target-tokens")],
    help: ArgumentHelp(
      "Stop after exactly N tokens; the last document is cut.", valueName: "N"))
  var maxTokens: Int?

  @Option(
    help: ArgumentHelp("Share of the documents to hold out, the last ones.", valueName: "F"))
  var holdout = 0.0

  @Option(help: ArgumentHelp("Where the documents held out go.", valueName: "FILE"))
  var holdoutOutput: String?

  @Option(help: "auto (by name, else by the first byte), jsonl or text.")
  var format = DocumentFormat.auto

  @Option(help: ArgumentHelp("The JSON field of the text; a dot leads inwards.", valueName: "NAME"))
  var textField = "text"

  @Option(
    help: ArgumentHelp(
      "The JSON field of the source; a document without it is of source default.",
      valueName: "NAME"))
  var sourceField = "meta.redpajama_set_name"

  @Option(
    help: """
      Join the texts of lines into documents: none, headings (a document begins at a line of \
      WikiText's form ' = Title = ') or all (into one).
      """)
  var join = Joining.none

  @Option(
    help: ArgumentHelp(
      """
      Input is rows of token ids, input_ids, of this tokenizer: decode them, each span of the \
      row's source as a document; with --special-tokens parse, special tokens stay.
      """, valueName: "PATH"))
  var idsTokenizer: ModelName?

  @Option(
    help: """
      At a bad line or file: stop, or skip it and go on. What is skipped is named on standard \
      error and counted at the end; of a file that fails halfway, what was read before counts.
      """)
  var onError = ErrorHandling.stop

  @Option(help: "Special tokens spelt out in the text: text takes them as such, parse as tokens.")
  var specialTokens = SpecialTokenHandling.text

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (1...65535).contains(chunkTokens) else {
      throw ValidationError("--chunk-tokens is \(chunkTokens), not in 1...65535")
    }
    let segment = segmentTokens ?? Self.defaultSegmentTokens
    guard (1...Int(Int32.max)).contains(segment),
      segment.isMultiple(of: chunkTokens)
        || window.window != nil
    else {
      throw ValidationError(
        "--segment-tokens is \(segment), not a multiple of --chunk-tokens \(chunkTokens)")
    }
    if segmentTokens != nil && window.window != nil {
      throw ValidationError("--segment-tokens and --window: a window has segments of its own")
    }
    _ = try window.rules(chunkTokens: chunkTokens)
    if let maxTokens, maxTokens < 1 {
      throw ValidationError("--max-tokens is \(maxTokens), not positive")
    }
    guard holdout >= 0, holdout < 1 else {
      throw ValidationError("--holdout is \(holdout), not in 0..<1")
    }
    guard (holdout > 0) == (holdoutOutput != nil) else {
      throw ValidationError("--holdout and --holdout-output need each other")
    }
    if let holdoutOutput, OutputFile.isSame(holdoutOutput, common.output) {
      throw ValidationError("--holdout-output and the output are the same: \(holdoutOutput)")
    }
    if separator == .eos && pack == .document {
      throw ValidationError("--separator eos is for --pack stream")
    }
  }

  func run() throws {
    let cost = CostLine()
    let tokenizer = try TokenizerFiles.open(path: self.tokenizer.path())
    if separator == .eos && tokenizer.endOfSequence == nil {
      throw ToolError("\(self.tokenizer): no end-of-text token for --separator eos")
    }
    if bos && tokenizer.beginningOfSequence == nil {
      throw ToolError("\(self.tokenizer): no beginning-of-text token for --bos")
    }
    var omissions = Omissions(skips: onError == .skip)
    let paths = try omissions.files(of: inputs.isEmpty ? ["-"] : inputs, options: common)
    let main = try ChunkOutput(self, common.output, tokenizer)
    let held = try holdoutOutput.map { try ChunkOutput(self, $0, tokenizer) }

    let encoder = DocumentEncoder(
      tokenizer: tokenizer, parser: try parser(), specialTokens: specialTokens,
      firstToken: bos ? tokenizer.beginningOfSequence : nil,
      threads: common.threadCount)
    let progress = Progress("documents", quiet: common.quiet)
    var corpus = Corpus(budget: TokenBudget(maxTokens), split: HoldoutSplit(fraction: holdout))
    var joiner = DocumentJoiner(join)
    let digest = DigestState()
    let batches = documents(in: paths)
    while !corpus.isComplete, let batch = try batches.next() {
      let (parsed, failures) = encoder.parse(batch.documents, skipsFailures: omissions.skips)
      let joined = try parsed.map { try $0.flatMap { try joiner.append($0) } }
      var encoded = encoder.encode(joined.flatMap(\.self))[...]
      for (raw, group) in zip(batch.documents, joined) where !corpus.isComplete {
        raw.eachPiece(digest.update)
        for document in encoded.prefix(group.count) {
          try corpus.append(document, to: main.append)
        }
        encoded = encoded.dropFirst(group.count)
      }
      if !omissions.skips, let failure = failures.first, !corpus.isComplete { throw failure }
      omissions.add(batch, failures.map(\.description))
      progress.update(corpus.documents, note: "\(corpus.tokens) tokens")
    }
    for document in encoder.encode([joiner.finish()].compactMap(\.self)) {
      try corpus.append(document, to: main.append)
    }
    progress.finish()
    try omissions.report(options: common)

    for document in corpus.heldOut { try held?.append(document) }
    let inputDigest = digest.digest
    try held?.finish(sources: corpus.sources, input: inputDigest)
    try main.finish(sources: corpus.sources, input: inputDigest)
    if let held { common.note("held out: \(held.documents) documents, \(held.rows) rows") }
    if main.rows == 0, window.window != nil {
      common.note("no document is long enough for a window")
    }
    cost.print(
      rows: main.rows + (held?.rows ?? 0), tokens: corpus.tokens,
      others: ["\(corpus.documents) documents"], options: common)
  }

  /// How documents are cut, and what a shard says of it.
  func packer(_ tokenizer: any Tokenizer) throws -> (any DocumentPacker, ChunkParameters) {
    let rules = try window.rules(chunkTokens: chunkTokens)
    let separator = self.separator == .eos ? tokenizer.endOfSequence : nil
    let segment =
      rules?.segmentTokens(chunkTokens: chunkTokens) ?? segmentTokens ?? Self.defaultSegmentTokens
    let identity = tokenizer.identity
    let parameters = ChunkParameters(
      chunkTokens: chunkTokens, segmentTokens: segment,
      // Windows are documents of their own, also those of a stream.
      pack: (rules == nil ? pack : .document).rawValue, sources: [],
      tokenizer: TokenizerIdentity(
        name: identity.name, vocabularySize: identity.vocabularySize, digest: identity.digest),
      window: rules.map { WindowParameters($0, bos: bos) })
    if let rules {
      let packer = WindowPacker(
        rules, chunkTokens: chunkTokens, packing: pack, separator: separator)
      return (packer, parameters)
    }
    let packer = ChunkPacker(
      chunkTokens: chunkTokens, segmentTokens: segment, packing: pack, separator: separator)
    return (packer, parameters)
  }

  /// The inputs' documents, read and decompressed ahead where there is a thread for it.
  private func documents(in paths: [String]) -> Ahead<DocumentBatch> {
    var rest = paths[...]
    let format = format
    let batches = DocumentBatches(skipsFailures: onError == .skip) {
      guard let path = rest.popFirst() else { return nil }
      let file = try InputFile.openText(path)
      return DocumentReader(
        name: file.name ?? "standard input", format: format, read: file.read)
    }
    return Ahead(isOn: common.threadCount > 1, batches.next)
  }

  private func parser() throws -> DocumentParser {
    guard let idsTokenizer else {
      return DocumentParser(textField: textField, sourceField: sourceField)
    }
    return DocumentParser(
      idsOf: try TokenizerFiles.open(path: idsTokenizer.path()),
      keepsSpecialTokens: specialTokens == .parse)
  }
}

runTool(MLChunk.self)
