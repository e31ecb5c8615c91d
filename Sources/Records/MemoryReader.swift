import Safetensors
import ShardIO

/// Reads the one stream of a shard of kind `memory`.
public final class MemoryReader {
  private let reader: KindReader
  private var lastRow = -1
  /// Of the text and of the context, so far.
  private var tokens = 0
  private var contextRows = 0
  public let parameters: MemoryParameters
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(source: any ByteSource) throws {
    try self.init(KindReader(sources: [source], kind: .memory))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try MemoryParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// What the next block holds, nil at the end.
  ///
  /// - Throws: also where a second stream follows: two memories are not one.
  public func next() throws -> MemoryBatch? {
    try nextColumns().map { block, columns in
      MemoryBatch(
        rows: rows(block, columns), tokens: columns.tokens,
        contextKeys: columns.contextKeys.copy(as: Float.self),
        contextValues: columns.contextValues.copy(as: Float.self))
    }
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool { try nextColumns() != nil }

  /// What a block holds, checked.
  private struct Columns {
    let keys: ShardTensor
    let values: ShardTensor
    let vectors: ShardTensor
    let rows: [Int64]
    let lengths: [UInt16]
    let hits: [Int64]
    let uses: [Int64]
    let text: ShardTensor
    let offsets: [Int]
    let tokens: [Int32]
    let contextKeys: ShardTensor
    let contextValues: ShardTensor
  }

  private func nextColumns() throws -> (block: ShardBlock, Columns)? {
    guard let block = try reader.next() else {
      guard tokens == parameters.textTokens, contextRows == parameters.contextRows else {
        throw ShardError(
          "\(tokens) tokens of text and \(contextRows) of context, where \(parameters.textTokens) and "
            + "\(parameters.contextRows) are expected")
      }
      return nil
    }
    guard block.stream == 0 else { throw block.error("a second memory in one shard") }
    let columns = try columns(block)
    for index in 0..<block.rows {
      guard Int(columns.rows[index]) > lastRow, columns.lengths[index] > 0 else {
        throw block.error("row \(columns.rows[index]) falls back or is empty")
      }
      lastRow = Int(columns.rows[index])
    }
    tokens += columns.tokens.count
    contextRows += columns.contextKeys.shape[0]
    return (block, columns)
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let p = parameters
    let shape: [Int?] = [block.rows, p.slots, p.sizes.chunk, p.width]
    let keys = try block.tensor("layer_keys", p.type, shape: shape)
    let values = try block.tensor("layer_values", p.type, shape: shape)
    let text = try block.tensor("text", .U8, shape: [nil])
    let contextKeys = try block.finite("context_keys", .F32, shape: [nil, p.layers, p.width])
    let contextShape = contextKeys.shape.map { Int?($0) }
    let ids = try block.tensor("tokens", .I32, shape: [nil]).copy(as: Int32.self)
    if let id = ids.first(where: { $0 < 0 }) { throw block.error("token \(id)") }
    return Columns(
      keys: keys, values: values,
      vectors: try block.finite("key", .F16, .F32, shape: [block.rows, p.dimension]),
      rows: try block.natural("row", .I64, as: Int64.self, below: Int64(p.nextRow)),
      lengths: try block.natural(
        "length", .U16, as: UInt16.self, below: UInt16(clamping: p.sizes.chunk + 1)),
      hits: try block.natural("hits", .I64, as: Int64.self, below: 1 << 48),
      uses: try block.natural("last_use", .I64, as: Int64.self, below: Int64(p.event + 1)),
      text: text, offsets: try block.offsets("text_offsets", count: text.byteCount), tokens: ids,
      contextKeys: contextKeys,
      contextValues: try block.finite("context_values", .F32, shape: contextShape))
  }

  private func rows(_ block: ShardBlock, _ columns: Columns) -> [MemoryRow] {
    let p = parameters
    let (keys, values) = (columns.keys.copyBytes(), columns.values.copyBytes())
    let (vectors, text, offsets) = (
      columns.vectors.floats(), columns.text.copyBytes(), columns.offsets
    )
    return (0..<block.rows).map { index in
      let bytes = index * p.chunkBytes..<(index + 1) * p.chunkBytes
      return MemoryRow(
        row: Int(columns.rows[index]), length: Int(columns.lengths[index]),
        hits: Int(columns.hits[index]), lastUse: Int(columns.uses[index]),
        key: Array(vectors[index * p.dimension..<(index + 1) * p.dimension]),
        layerKeys: Array(keys[bytes]), layerValues: Array(values[bytes]),
        text: Array(text[offsets[index]..<offsets[index + 1]]))
    }
  }
}

extension ShardTensor {
  fileprivate func copyBytes() -> [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}
