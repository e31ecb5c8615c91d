import Safetensors
import ShardIO

/// Writes one stream of kind `memory`: chunks, then the text, then the context.
public final class MemoryWriter {
  private let writer: ShardWriter
  private let parameters: MemoryParameters
  private var pending: [MemoryRow] = []

  public init(sink: any ByteSink, parameters: MemoryParameters, provenance: Provenance?) {
    self.parameters = parameters
    writer = ShardWriter(
      sink: sink, kind: Kind.memory.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: Kind.memory.compressionLevel,
      defersFirstBlock: false)
  }

  /// Rows rise.
  public func append(_ row: MemoryRow) throws {
    precondition(row.key.count == parameters.dimension && row.length <= parameters.sizes.chunk)
    precondition(row.layerKeys.count == parameters.chunkBytes)
    precondition(row.layerValues.count == parameters.chunkBytes)
    pending.append(row)
    if pending.count * 2 * parameters.chunkBytes >= blockTarget { try flush() }
  }

  /// Ends the stream, after all chunks.
  ///
  /// - Parameters:
  ///   - tokens: of all documents.
  ///   - keys: [contextRows, layers, width], as `values`.
  public func finish(tokens: [Int32], contextKeys keys: [Float], contextValues values: [Float])
    throws
  {
    let width = parameters.contextWidth
    precondition(tokens.count == parameters.textTokens)
    precondition(keys.count == parameters.contextRows * width && keys.count == values.count)
    if !pending.isEmpty { try flush() }
    try append(MemoryBatch(tokens: tokens))
    let rows = max(1, blockTarget / (8 * width))
    for first in stride(from: 0, to: parameters.contextRows, by: rows) {
      let part = first * width..<min(first + rows, parameters.contextRows) * width
      try append(
        MemoryBatch(contextKeys: Array(keys[part]), contextValues: Array(values[part])))
    }
    try writer.finish()
  }

  private func flush() throws {
    try append(MemoryBatch(rows: pending))
    pending.removeAll(keepingCapacity: true)
  }

  private func append(_ batch: MemoryBatch) throws {
    let (p, rows) = (parameters, batch.rows)
    var offsets = [Int64(0)]
    for row in rows { offsets.append(offsets[offsets.count - 1] + Int64(row.text.count)) }
    let (n, shape) = (rows.count, [rows.count, p.slots, p.sizes.chunk, p.width])
    let context = [batch.contextKeys.count / p.contextWidth, p.layers, p.width]
    try writer.append(
      rows: n,
      tensors: [
        NamedTensor("row", .I64, [n], rows.map { Int64($0.row) }),
        NamedTensor("length", .U16, [n], rows.map { UInt16($0.length) }),
        NamedTensor("hits", .I64, [n], rows.map { Int64($0.hits) }),
        NamedTensor("last_use", .I64, [n], rows.map { Int64($0.lastUse) }),
        NamedTensor("key", .F32, [n, p.dimension], rows.flatMap(\.key)),
        NamedTensor("layer_keys", p.type, shape, bytes: rows.flatMap(\.layerKeys)),
        NamedTensor("layer_values", p.type, shape, bytes: rows.flatMap(\.layerValues)),
        NamedTensor("text_offsets", .I64, [n + 1], offsets),
        NamedTensor("text", .U8, [Int(offsets[n])], rows.flatMap(\.text)),
        NamedTensor("tokens", .I32, [batch.tokens.count], batch.tokens),
        NamedTensor("context_keys", .F32, context, batch.contextKeys),
        NamedTensor("context_values", .F32, context, batch.contextValues),
      ])
  }
}
