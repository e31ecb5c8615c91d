import Embedding
import Evaluation
import Indexing
import ModelSupport
import Modeling
import Records
import Retrieval
import Tokenization
import ToolSupport

/// A model that reads texts of its own tokenizer into a memory that is planned as it goes.
struct RecallSession {
  let model: LoadedModel
  /// What results say of the memory; nil: memory off.
  let memory: TaskMemory?
  let reader: PromptReader
  /// What segments are read beside; nil: they are read alone.
  let context: SlidingContext?
  /// The begin token where every text begins with it, else nothing.
  let begin: [Int32]
  private let tokenizer: any Tokenizer
  private let planner: DocumentPlanner?
  private let chunkTokens: Int
  private let queryTokens: Int
  private let segmentTokens: Int

  /// - Parameters:
  ///   - usesMemory: false loads no retriever.
  ///   - segmentTokens: of a forward pass over a text.
  ///   - promptTokens: of a prompt with its continuation.
  ///   - hasLocalTokens: prompts bring the text before them along, in place of a context.
  init(
    _ recall: RecallOptions, _ modelOptions: ModelOptions, usesMemory: Bool, segmentTokens: Int,
    promptTokens: Int, hasLocalTokens: Bool = false, options: CommonOptions
  ) throws {
    guard !usesMemory || recall.select != .nearest || recall.retriever != nil else {
      throw ToolError.usage("--select nearest needs --retriever DIR")
    }
    let outline = try Self.outline(recall, modelOptions, usesMemory: usesMemory)
    context =
      hasLocalTokens
      ? nil
      : try recall.context(
        layout: modelOptions.layout(of: outline, adapter: recall.adapter),
        segmentTokens: segmentTokens)
    let longest = max(segmentTokens, promptTokens)
    try checkedCacheBytes(longest + (context?.tokens ?? 0), outline.configuration)
    self.segmentTokens = segmentTokens
    let path = try (recall.tokenizer ?? modelOptions.model).path()
    tokenizer = try TokenizerFiles.open(path: path)
    let identity = tokenizer.identity
    try outline.check(
      TokenizerIdentity(
        name: identity.name, vocabularySize: identity.vocabularySize, digest: identity.digest))
    let retriever =
      usesMemory && recall.select == .nearest
      ? try recall.retriever.map { try Retriever(folder: $0.path()) } : nil
    try options.noteSeal(ofAdapter: recall.adapter)
    model = try LoadedModel(
      outline, adapter: recall.adapter, residency: modelOptions.weights,
      compute: modelOptions.makeCompute(options))
    reader = PromptReader(model.decoder, tokens: longest, context: context)
    begin =
      try recall.bos ?? addsBeginToken(path) ? tokenizer.beginningOfSequence.map { [$0] } ?? [] : []
    chunkTokens = recall.chunkTokens
    queryTokens = recall.queryTokens ?? retriever?.maximumLength ?? 256
    planner =
      usesMemory
      ? DocumentPlanner(
        choice: recall.select, topK: recall.topK,
        capacity: MemorySettings.capacity(
          memoryTokens: recall.memoryTokens, chunkTokens: recall.chunkTokens),
        eviction: recall.eviction,
        heldBack: (context?.tokensBefore(segmentTokens: segmentTokens) ?? 0) / recall.chunkTokens,
        retriever: retriever, threads: options.threadCount) : nil
    memory =
      usesMemory
      ? TaskMemory(
        selection: recall.select.rawValue, topK: recall.topK, memoryTokens: recall.memoryTokens,
        chunkTokens: recall.chunkTokens, eviction: recall.eviction.rawValue,
        queryTokens: queryTokens,
        retriever: retriever.map { .init(name: $0.name, digest: $0.digest) },
        layout: model.decoder.memory?.layout(layerCount: model.decoder.layers.count)) : nil
  }

  private static func outline(
    _ recall: RecallOptions, _ modelOptions: ModelOptions, usesMemory: Bool
  ) throws -> ModelOutline {
    let stored = try recall.adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    return try ModelOutline(path: modelOptions.model) { layerCount in
      // Gates and positions are the adapter's also where the memory is off.
      guard usesMemory || stored != nil else { return nil }
      return try modelOptions.memory(
        layerCount: layerCount, chunkTokens: recall.chunkTokens, adapter: stored)
    }
  }

  /// The most tokens, beside the sinks, that the prompt has in its context: as many as a segment.
  var contextBefore: Int { context?.tokensBefore(segmentTokens: segmentTokens) ?? 0 }

  /// A text by itself, with the begin token where texts begin with it.
  func encode(_ text: String) -> [Int32] { begin + tokenizer.encode(text) }

  /// A text inside another, without begin token.
  func inner(_ text: String) -> [Int32] { tokenizer.encode(text) }

  /// How each of `endings` goes on after `context`, whose ids are `prefix`: the ids of the whole
  /// less as many as the context has.
  func continuations(_ endings: [String], of context: String, _ prefix: [Int32]) -> [[Int32]] {
    endings.map { Array(encode(context + $0).dropFirst(prefix.count)) }
  }

  /// Ids as text, special tokens spelt out.
  func text(_ ids: [Int32]) -> String {
    String(decoding: tokenizer.decodeText(ids, skippingSpecialTokens: false), as: UTF8.self)
  }

  /// Reads `document` into an empty memory, then the prompt, which retrieves from it.
  ///
  /// - Parameters:
  ///   - query: what a segment of the document asks for.
  ///   - goesOn: the prompt goes on in the document, beside the context if there is one; else it is a
  ///     text of its own, which finds all of the document in memory.
  ///   - local: tokens that stand before the prompt in its own segment, and ask nothing.
  ///   - seed: of random choice.
  ///   - progress: gets the tokens of each segment read.
  /// - Returns: the plan's blocks, the prompt's last; none with memory off.
  @discardableResult
  func read(
    _ document: [Int32], query: QueryProtocol, prompt: [Int32], goesOn: Bool,
    after local: [Int32] = [], continuation: Int, seed: UInt64, progress: (Int) -> Void = { _ in }
  ) throws -> [PlannedBlock] {
    let document = RecallDocument(
      tokens: planner == nil && (context == nil || !goesOn) ? [] : document,
      segmentTokens: segmentTokens,
      chunkTokens: chunkTokens)
    var blocks: [PlannedBlock] = []
    if let planner, !document.segments.isEmpty {
      let texts = document.texts(query: query, queryTokens: queryTokens, prompt: prompt) {
        tokenizer.decodeText($0, skippingSpecialTokens: true)
      }
      blocks = try planner.blocks(of: texts, endsBeforeLast: !goesOn, seed: seed)
    }
    reader.begin(
      blocks.reduce(into: RetrievalPlan()) { $0.append(row: $1.row, neighbours: $1.neighbours) })
    for segment in document.segments {
      try reader.read(segment)
      progress(segment.tokens.count)
    }
    try reader.ask(
      document.prompt(local + prompt), continuation: continuation,
      after: goesOn ? contextBefore : 0)
    return blocks
  }
}
