import Embedding
import Evaluation
import Indexing
import ModelSupport
import Modeling
import Records
import Safetensors
import ShardIO
import ToolSupport

/// A shard of kind `memory`, read whole.
struct StoredMemory {
  let path: String
  let parameters: MemoryParameters
  let state: ReadingSession.State
  let provenance: Provenance?

  init(path: String) throws {
    self.path = path
    let reader = try MemoryReader(source: try InputFile(path))
    parameters = reader.parameters
    var state = ReadingSession.State(
      tokens: [], chunks: [], context: CachedTokens(count: 0, keys: [], values: []))
    while let batch = try reader.next() {
      state.chunks += batch.rows.map { ReadingSession.StoredChunk($0, reader.parameters) }
      state.tokens += batch.tokens
      state.context.keys += batch.contextKeys
      state.context.values += batch.contextValues
    }
    state.context.count = parameters.contextRows
    self.state = state
    provenance = reader.provenance
  }

  /// Refuses what another model, adapter or retriever read, naming both.
  func check(model: LoadedModel, retriever: Retriever, sizes: ReadingSizes) throws {
    let p = parameters
    for (what, own, name, digest) in [
      ("model", p.model, model.model.name, model.model.digest),
      ("adapter", p.adapter, model.adapter?.name ?? "", model.adapter?.digest ?? ""),
      ("retriever", p.retriever, retriever.name, retriever.digest),
    ] where own.digest != digest {
      throw ToolError("\(path): was read with \(what) \(shown(own)), not \(shown(name, digest))")
    }
    guard let memory = model.decoder.memory,
      JSONValue.object(memory.published).encoded == p.configuration.encoded
    else {
      throw ToolError("\(path): was read with other memory options: \(p.configuration.encoded)")
    }
    let (shape, read) = (model.decoder.configuration, sizes.read(of: p.textTokens))
    guard memory.sourceLayers.count == p.slots, shape.keyValueWidth == p.width,
      shape.layerCount == p.layers, memory.precision.elementType == p.type,
      p.contextRows == sizes.cached(read), p.nextRow == sizes.departed(read) / sizes.chunk,
      state.tokens.allSatisfy({ $0 < shape.vocabularySize })
    else { throw ToolError("\(path): does not fit the model and options that it names") }
  }

  private func shown(_ identity: MemoryParameters.Identity) -> String {
    shown(identity.name, identity.digest)
  }

  private func shown(_ name: String, _ digest: String) -> String {
    digest.isEmpty ? "none" : "\(name) (\(digest))"
  }
}

extension MemoryConfiguration.Precision {
  var elementType: ElementType {
    switch self {
    case .f32: .F32
    case .bf16: .BF16
    case .f16: .F16
    }
  }
}

extension MemoryRow {
  /// - Parameter text: the chunk decoded.
  init(_ chunk: ReadingSession.StoredChunk, _ parameters: MemoryParameters, text: [UInt8]) {
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
      text: text)
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
    let filled = slotBytes / parameters.sizes.chunk * row.length
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
      tokens: tokens)
  }
}
