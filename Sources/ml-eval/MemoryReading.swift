import Embedding
import Evaluation
import Indexing
import Kernels
import ModelSupport
import Modeling
import Records
import ShardIO
import Tokenization
import ToolSupport

/// A model that reads with its memory, and the shard that the memory is kept in.
final class MemoryReading {
  let session: ReadingSession
  let tokenizer: any Tokenizer
  /// The prompt format of the model's family; nil: none that is known.
  let chat: ChatFormat?
  let endTokens: Set<Int32>
  private let model: LoadedModel
  private let retriever: Retriever?
  private let sizes: ReadingSizes
  private let rules: MemoryParameters.Rules
  private var documents: [MemoryParameters.Document]
  /// Of the memory that is gone on from.
  let storedProvenance: Provenance?

  init(_ tool: Generate) throws {
    let loader = try tool.retriever.map { try Retriever(folder: $0.path()) }
    let stored = try tool.loadMemory.map { try StoredMemory(path: $0) }
    storedProvenance = stored?.provenance
    documents = stored?.parameters.documents ?? []
    sizes = try tool.memory.sizes(stored: stored?.parameters.sizes, path: tool.loadMemory)
    rules = try tool.memory.rules(stored: stored?.parameters.rules, chunkTokens: sizes.chunk)
    let outline = try Self.outline(tool, sizes, stored: stored)
    tokenizer = try modelTokenizer(outline.files)
    chat = try ChatFormat(of: outline.files)
    if tool.chat && chat == nil { throw ChatFormat.refusal(outline.files) }
    endTokens = try ModelSupport.endTokens(outline.files, tokenizer, chat)
    try tool.options.noteSeal(ofAdapter: tool.adapter)
    model = try LoadedModel(
      outline, adapter: tool.adapter, residency: tool.modelOptions.weights,
      compute: tool.modelOptions.makeCompute(tool.options))
    retriever = loader
    if let stored, let loader { try stored.check(model: model, retriever: loader, sizes: sizes) }
    let live = loader.map { [rules, sizes] in
      LiveMemory(
        MemorySettings(rules, chunkTokens: sizes.chunk, seed: tool.options.seed),
        dimension: $0.dimension, workers: Workers(threads: tool.options.threadCount),
        entries: (stored?.state.chunks ?? []).map(\.entry), event: stored?.parameters.event ?? 0)
    }
    let (tokenizer, workspace) = (self.tokenizer, loader.map { EncoderWorkspace($0) })
    session = ReadingSession(model.decoder, live: live, sizes: sizes, state: stored?.state) {
      runs, isQuery in
      guard let loader, let workspace else { return [] }
      let texts = runs.map {
        RetrieverText(
          tokenizer.decodeText($0, skippingSpecialTokens: true), as: isQuery ? .query : .key)
      }
      return loader.vectors(of: texts, workspace: workspace)
    }
  }

  private static func outline(
    _ tool: Generate, _ sizes: ReadingSizes, stored: StoredMemory?
  ) throws -> ModelOutline {
    let trained = try tool.adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    let kept = try stored.map { try MemoryConfiguration(published: $0.parameters.configuration) }
    let outline = try ModelOutline(path: tool.modelOptions.model) { layerCount in
      guard tool.retriever != nil || trained != nil else { return nil }
      return try tool.modelOptions.memory(
        layerCount: layerCount, chunkTokens: sizes.chunk, adapter: kept ?? trained,
        origin: stored.map { "\($0.path) was read" } ?? "the adapter was trained")
    }
    try checkedCacheBytes(sizes.context.tokens, outline.configuration)
    return outline
  }

  /// Reads a text; how many tokens it has.
  func read(_ text: [UInt8], name: String, quiet: Bool) throws -> Int {
    let tokens = try opening() + tokenizer.encode(text, specialTokens: .text)
    documents.append(.init(name: name, tokens: tokens.count))
    let progress = Progress("tokens", total: tokens.count, quiet: quiet)
    for start in stride(from: 0, to: tokens.count, by: sizes.segment) {
      try session.read(Array(tokens[start..<min(start + sizes.segment, tokens.count)]))
      progress.update(start)
    }
    progress.finish()
    return tokens.count
  }

  /// Reads a prompt, in the format of the model's family or as it is; how many tokens it has.
  func ask(_ prompt: String, asChat: Bool) throws -> Int {
    let plain = tokenizer.encode(prompt, specialTokens: .text)
    guard !plain.isEmpty else { throw ToolError.usage("--prompt has no tokens") }
    var words = plain
    if asChat, let chat { words = tokenizer.encode(chat.turn(prompt), specialTokens: .parse) }
    let tokens = try opening() + words
    try session.ask(tokens, query: plain)
    return tokens.count
  }

  /// What stands before a text that begins: the begin token where the tokenizer's files say so.
  private func opening() throws -> [Int32] {
    guard session.tokens.isEmpty, try addsBeginToken(model.files.path) else { return [] }
    return tokenizer.beginningOfSequence.map { [$0] } ?? []
  }

  /// How much of the text a bounded memory has let go, and how to keep it; nil: nothing.
  var loss: String? {
    let (stored, live) = (session.storedChunks, session.liveChunks)
    guard live < stored else { return nil }
    let share = decimal(100 * Double(stored - live) / Double(stored), 0)
    return "\(share) % of what left the context is forgotten (\(stored - live) of \(stored) "
      + "chunks): without --memory-tokens \(rules.memoryTokens) all of it is kept"
  }

  /// Writes all that was read. No question may have been asked.
  func save(to sink: OutputFile, provenance: Provenance?) throws {
    guard let retriever, let memory = model.decoder.memory else { return }
    let state = session.state
    let configuration = model.decoder.configuration
    let parameters = MemoryParameters(
      model: .init(name: model.model.name, digest: model.model.digest),
      adapter: .init(name: model.adapter?.name ?? "", digest: model.adapter?.digest ?? ""),
      retriever: .init(name: retriever.name, digest: retriever.digest),
      dimension: retriever.dimension, sizes: .init(sizes), rules: rules,
      slots: memory.sourceLayers.count, width: configuration.keyValueWidth,
      layers: configuration.layerCount, type: memory.precision.elementType,
      configuration: .object(memory.published), documents: documents,
      contextRows: state.context.count, nextRow: session.storedChunks, event: session.event)
    let writer = MemoryWriter(sink: sink, parameters: parameters, provenance: provenance)
    for chunk in state.chunks {
      let start = chunk.entry.row * sizes.chunk
      let text = tokenizer.decodeText(
        state.tokens[start..<start + chunk.tokens.tokens], skippingSpecialTokens: true)
      try writer.append(MemoryRow(chunk, parameters, text: text))
    }
    try writer.finish(
      tokens: state.tokens, contextKeys: state.context.keys, contextValues: state.context.values)
  }

  /// One line: where in the text the passage stands, how near it is, and its words.
  func line(_ passage: ReadingSession.Passage) -> String {
    let text = tokenizer.decodeText(session.tokens[passage.range], skippingSpecialTokens: true)
    let words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return "\(place(passage.range.lowerBound)), score \(decimal(Double(passage.score), 4)): "
      + words.joined(separator: " ")
  }

  private func place(_ token: Int) -> String {
    var offset = token
    for document in documents {
      if offset < document.tokens {
        return "\(document.name), token \(offset) of \(document.tokens) "
          + "(\(100 * offset / document.tokens) %)"
      }
      offset -= document.tokens
    }
    return "the prompt and its answer, token \(offset)"
  }
}

extension MemoryParameters.Sizes {
  fileprivate init(_ sizes: ReadingSizes) {
    self.init(
      chunk: sizes.chunk, segment: sizes.segment, block: sizes.block, query: sizes.query,
      context: sizes.context.tokens, sinks: sizes.context.sinks)
  }
}
