import Embedding
import Evaluation
import Indexing
import Kernels
import ModelSupport
import Modeling
import Records
import Safetensors
import ShardIO
import Tokenization
import ToolSupport

/// A model that reads with its memory, and the shard that the memory is kept in.
final class MemoryReading {
  let session: ReadingSession
  let tokenizer: any Tokenizer
  private let model: LoadedModel
  private let retriever: Retriever?
  private let sizes: ReadingSession.Sizes
  /// Of the memory that is gone on from.
  let storedProvenance: Provenance?

  init(_ tool: Generate) throws {
    let loader = try tool.retriever.map { try Retriever(folder: $0) }
    let stored = try tool.loadMemory.map { try StoredMemory(path: $0) }
    storedProvenance = stored?.provenance
    sizes = try tool.memory.sizes(stored: stored?.parameters.chunkTokens)
    model = try Self.load(tool, sizes, stored: stored)
    tokenizer = try modelTokenizer(model.files)
    retriever = loader
    if let stored, let loader { try stored.check(model: model, retriever: loader) }
    let settings = try tool.memory.settings(chunkTokens: sizes.chunk, seed: tool.options.seed)
    let chunks = stored?.chunks ?? []
    let live = loader.map {
      LiveMemory(
        settings, dimension: $0.dimension, workers: Workers(threads: tool.options.threadCount),
        entries: chunks.map(\.entry), event: stored?.parameters.event ?? 0)
    }
    let (tokenizer, workspace) = (self.tokenizer, loader.map { EncoderWorkspace($0) })
    session = ReadingSession(
      model.decoder, live: live, sizes: sizes, chunks: chunks,
      nextRow: stored?.parameters.nextRow ?? 0
    ) { tokens, isQuery in
      let text = tokenizer.decodeText(tokens, skippingSpecialTokens: true)
      guard let loader, let workspace else { return ([], text) }
      return (
        loader.vectors(
          of: [RetrieverText(text, as: isQuery ? .query : .key)], workspace: workspace), text
      )
    }
  }

  private static func load(
    _ tool: Generate, _ sizes: ReadingSession.Sizes, stored: StoredMemory?
  ) throws -> LoadedModel {
    let trained = try tool.adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    let kept = try stored.map { try MemoryConfiguration(published: $0.parameters.configuration) }
    let outline = try ModelOutline(path: tool.modelOptions.model) { layerCount in
      guard tool.retriever != nil || trained != nil else { return nil }
      return try tool.modelOptions.memory(
        layerCount: layerCount, chunkTokens: sizes.chunk, adapter: kept ?? trained)
    }
    try checkedCacheBytes(sizes.context, outline.configuration)
    return try LoadedModel(
      outline, adapter: tool.adapter, residency: tool.modelOptions.weights,
      compute: tool.modelOptions.makeCompute(tool.options))
  }

  /// Reads a text; how many tokens it has.
  func read(_ text: [UInt8], asking: Bool = false, quiet: Bool) throws -> Int {
    let tokens = tokenizer.encode(text, specialTokens: .text)
    if asking {
      try session.read(tokens, asking: true)
      return tokens.count
    }
    let progress = Progress("tokens", total: tokens.count, quiet: quiet)
    for start in stride(from: 0, to: tokens.count, by: sizes.block) {
      try session.read(
        Array(tokens[start..<min(start + sizes.block, tokens.count)]))
      progress.update(start)
    }
    progress.finish()
    return tokens.count
  }

  /// Writes all that was read; the window becomes chunks too.
  func save(to sink: OutputFile, provenance: Provenance?) throws {
    guard let retriever, let memory = model.decoder.memory else { return }
    try session.flush()
    let parameters = MemoryParameters(
      model: .init(name: model.model.name, digest: model.model.digest),
      adapter: .init(name: model.adapter?.name ?? "", digest: model.adapter?.digest ?? ""),
      retriever: .init(name: retriever.name, digest: retriever.digest),
      dimension: retriever.dimension, chunkTokens: sizes.chunk, slots: memory.sourceLayers.count,
      width: model.decoder.configuration.keyValueWidth, type: memory.precision.elementType,
      configuration: .object(memory.published), nextRow: session.nextRow, event: session.event)
    let writer = MemoryWriter(sink: sink, parameters: parameters, provenance: provenance)
    for chunk in session.chunks { try writer.append(MemoryRow(chunk, parameters)) }
    try writer.finish()
  }
}

/// A shard of kind `memory`, read whole.
struct StoredMemory {
  let path: String
  let parameters: MemoryParameters
  let chunks: [ReadingSession.StoredChunk]
  let provenance: Provenance?

  init(path: String) throws {
    self.path = path
    let reader = try MemoryReader(source: try InputFile(path))
    parameters = reader.parameters
    var chunks: [ReadingSession.StoredChunk] = []
    while let rows = try reader.next() {
      chunks += rows.map { ReadingSession.StoredChunk($0, reader.parameters) }
    }
    self.chunks = chunks
    provenance = reader.provenance
  }

  /// Refuses what another model, adapter or retriever read, naming both.
  func check(model: LoadedModel, retriever: Retriever) throws {
    let p = parameters
    for (what, own, name, digest) in [
      ("model", p.model, model.model.name, model.model.digest),
      ("adapter", p.adapter, model.adapter?.name ?? "", model.adapter?.digest ?? ""),
      ("retriever", p.retriever, retriever.name, retriever.digest),
    ] where own.digest != digest {
      throw ToolError(
        "\(path): was read with \(what) \(own.name) (\(own.digest)), not \(name) (\(digest))")
    }
    guard let memory = model.decoder.memory, memory.sourceLayers.count == p.slots,
      model.decoder.configuration.keyValueWidth == p.width,
      memory.precision.elementType == p.type,
      JSONValue.object(memory.published).encoded == p.configuration.encoded
    else {
      throw ToolError("\(path): was read with other memory options: \(p.configuration.encoded)")
    }
  }
}

extension MemoryConfiguration.Precision {
  fileprivate var elementType: ElementType {
    switch self {
    case .f32: .F32
    case .bf16: .BF16
    case .f16: .F16
    }
  }
}

extension MemoryRow {
  fileprivate init(_ chunk: ReadingSession.StoredChunk, _ parameters: MemoryParameters) {
    var (keys, values) = ([UInt8](), [UInt8]())
    let slotBytes = parameters.chunkBytes / parameters.slots
    for slot in 0..<parameters.slots {
      chunk.tokens.withBytes(slot: slot) {
        keys += $0 + [UInt8](repeating: 0, count: slotBytes - $0.count)
        values += $1 + [UInt8](repeating: 0, count: slotBytes - $1.count)
      }
    }
    self.init(
      row: chunk.entry.row, length: chunk.tokens.tokens, hits: chunk.entry.hits,
      lastUse: chunk.entry.lastUse, key: chunk.entry.key, layerKeys: keys, layerValues: values,
      text: chunk.text)
  }
}

extension ReadingSession.StoredChunk {
  fileprivate init(_ row: MemoryRow, _ parameters: MemoryParameters) {
    let precision: MemoryConfiguration.Precision =
      switch parameters.type {
      case .BF16: .bf16
      case .F16: .f16
      default: .f32
      }
    let slotBytes = parameters.chunkBytes / parameters.slots
    let filled = slotBytes / parameters.chunkTokens * row.length
    let tokens = row.layerKeys.withUnsafeBytes { keys in
      row.layerValues.withUnsafeBytes { values in
        func slot(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UnsafeRawBufferPointer {
          UnsafeRawBufferPointer(rebasing: bytes[index * slotBytes..<index * slotBytes + filled])
        }
        return MemoryChunk(
          tokens: row.length,
          slots: (0..<parameters.slots).map { (slot(keys, $0), slot(values, $0)) },
          precision: precision)
      }
    }
    self.init(
      entry: LiveMemory.Entry(row: row.row, hits: row.hits, lastUse: row.lastUse, key: row.key),
      tokens: tokens, text: row.text)
  }
}
