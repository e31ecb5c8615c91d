import ArgumentParser
import Embedding
import Kernels
import Records
import ShardIO
import ToolSupport

extension QueryProtocol: ExpressibleByArgument {}
extension Pooling: ExpressibleByArgument {}

extension Instruction: ExpressibleByArgument {
  public static var allValueStrings: [String] { all.map(\.name) }

  public init?(argument: String) {
    guard let instruction = Self.all.first(where: { $0.name == argument }) else { return nil }
    self = instruction
  }
}

enum VectorType: String, CaseIterable, ExpressibleByArgument {
  case f16, f32
}

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-embed",
    abstract: "Embed the text of every chunk as a key, and of every query span as a query.",
    usage: "ml-embed --model MODEL [options] [CHUNKS…]",
    discussion: helpDiscussion(
      """
      CHUNKS are shards of kind chunks; - or nothing is standard input. The output is a shard of \
      kind embeddings. A query is the text of whole chunks, read as one text. Of a text longer than \
      the retriever reads, a key keeps its first word pieces and a query its last, which are the \
      nearest to its block (the published code keeps a query's first).
      """,
      examples: [
        "ml-embed --model minilm chunks.mls -o embeddings.mls",
        "ml-chunk --tokenizer base.gguf books.jsonl | ml-embed --model minilm > e.mls",
      ]),
    version: toolVersion)

  @Option(
    help: ArgumentHelp(
      """
      The retriever: a folder with a BERT or XLM-RoBERTa encoder, its tokenizer and \
      sentence-transformers' modules.json, which says how vectors are pooled; or org/name[@revision] \
      in the local Hugging Face cache.
      """, valueName: "MODEL"))
  var model: ModelName

  @Option(
    help: ArgumentHelp(
      """
      What stands before each text: the pair for queries and keys of one of llm-embedder's tasks \
      (qa convsearch chat lrlm icl tool), bge's for queries (bge), or nothing. (default: lrlm for \
      llm-embedder, else none)
      """, valueName: "NAME"))
  var instruction: Instruction?

  @Option(
    help: ArgumentHelp(
      """
      What becomes a text's vector: its first token's state, or the mean of all. (default: as \
      modules.json says; without it cls)
      """, valueName: "cls|mean"))
  var pooling: Pooling?

  @Option(
    help: ArgumentHelp(
      """
      What a retrieval block is queried with: the text before it (previous), its own last text \
      (current: sees what is to be predicted), or nothing (none: keys only).
      """, valueName: "previous|current|none"))
  var query = QueryProtocol.previous

  @Option(
    help: ArgumentHelp(
      """
      Tokens of a query, a multiple of the chunks' chunk_tokens. (default: what the retriever \
      reads of a text, rounded down to whole chunks)
      """, valueName: "W"))
  var queryTokens: Int?

  @Option(
    help: ArgumentHelp(
      """
      Tokens of a retrieval block, a multiple of chunk_tokens that divides segment_tokens. \
      (default: segment_tokens)
      """, valueName: "R"))
  var blockTokens: Int?

  @Option(help: ArgumentHelp("How the vectors are stored.", valueName: "f16|f32"))
  var dtype = VectorType.f16

  @OptionGroup var options: CommonOptions

  @Argument(help: ArgumentHelp("Shards of chunks.", valueName: "CHUNKS"))
  var inputs: [String] = []

  func run() throws {
    let cost = CostLine()
    let output = try OutputFile(options.output)
    let reader = try ChunkReader(sources: InputFile.all(inputs))
    let retriever = try Retriever(
      folder: model.path(), options: .init(pooling: pooling, instruction: instruction))
    options.detail(
      "\(retriever.name): pooling \(retriever.pooling.rawValue), at most \(retriever.maximumLength) "
        + "tokens of a text, instruction \(retriever.instruction.name)")
    for assumption in retriever.assumptions {
      options.detail("\(retriever.name): assumed \(assumption)")
    }
    var spans = try querySpans(reader.parameters, retriever)
    let writer = EmbeddingWriter(
      sink: output, parameters: parameters(reader.parameters, retriever, spans),
      valueType: dtype == .f16 ? .F16 : .F32,
      provenance: options.provenance(earlier: reader.provenance, inputs: inputs))

    if let advice = adviceOnBLAS() { options.note(advice) }
    let embedder = RequestEmbedder(retriever, threads: options.threadCount)
    let progress = Progress("chunks", quiet: options.quiet)
    func write(_ request: EmbeddingRequest, _ vector: [Float]) throws {
      switch request {
      case .key(let document, let segment, _):
        try writer.append(key: vector, document: document, segment: segment)
        progress.update(writer.rows)
      case .query(let row, _): try writer.appendQuery(row: row, vector)
      }
    }
    var tokens = 0
    while let batch = try reader.next() {
      for chunk in batch.chunks {
        try spans.append(ChunkText(chunk, stream: batch.stream)) { try embedder.append($0, write) }
        tokens += chunk.tokens.count
      }
    }
    try spans.finish { try embedder.append($0, write) }
    try embedder.finish(write)
    let rows = writer.rows
    try writer.finish(chunksDigest: reader.digest)
    try output.commit()
    progress.finish()
    cost.print(rows: rows, tokens: tokens, options: options)
  }

  private func querySpans(_ chunks: ChunkParameters, _ retriever: Retriever) throws -> QuerySpans {
    do {
      return try QuerySpans(
        protocol: query,
        queryTokens: queryTokens
          ?? QuerySpans.defaultQueryTokens(
            maximumLength: retriever.maximumLength, chunkTokens: chunks.chunkTokens),
        blockTokens: blockTokens ?? chunks.segmentTokens, chunkTokens: chunks.chunkTokens,
        segmentTokens: chunks.segmentTokens, crossesDocuments: chunks.pack == "stream")
    } catch let error as EmbeddingError {
      throw ToolError.usage(error.description)
    }
  }

  private func parameters(
    _ chunks: ChunkParameters, _ retriever: Retriever, _ spans: QuerySpans
  ) -> EmbeddingParameters {
    EmbeddingParameters(
      dimension: retriever.dimension, modelName: retriever.name, modelDigest: retriever.digest,
      instruction: retriever.instruction.name, query: query.rawValue,
      queryTokens: spans.queryTokens, blockTokens: spans.blockTokens,
      chunkTokens: chunks.chunkTokens, segmentTokens: chunks.segmentTokens, pack: chunks.pack)
  }
}

extension ChunkText {
  init(_ chunk: Chunk, stream: Int) {
    self.init(
      stream: stream, document: chunk.document, segment: chunk.segment,
      tokens: chunk.tokens.count, text: chunk.text)
  }
}

runTool(Embed.self)
