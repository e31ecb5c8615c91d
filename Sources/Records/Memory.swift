import Safetensors
import ShardIO

/// What holds for all rows of kind `memory`: a reading of some text, kept to be asked later.
public struct MemoryParameters: Equatable, Sendable {
  /// A file's or folder's name and digest.
  public struct Identity: Equatable, Sendable {
    public var name: String
    public var digest: String

    public init(name: String, digest: String) {
      self.name = name
      self.digest = digest
    }
  }

  public var model: Identity
  /// Empty names without one.
  public var adapter: Identity
  public var retriever: Identity
  /// Components of a retrieval key.
  public var dimension: Int
  public var chunkTokens: Int
  /// Source layers of keys and values, and the numbers of one token's keys in one of them.
  public var slots: Int
  public var width: Int
  /// `F32`, `BF16` or `F16`: how keys and values are kept.
  public var type: ElementType
  /// The memory's layers and positions: the published fields of `config.json`.
  public var configuration: JSONValue
  /// Where the text goes on: the next chunk's row, and the clock of retrievals and entries.
  public var nextRow: Int
  public var event: Int

  public init(
    model: Identity, adapter: Identity, retriever: Identity, dimension: Int, chunkTokens: Int,
    slots: Int, width: Int, type: ElementType, configuration: JSONValue, nextRow: Int, event: Int
  ) {
    self.model = model
    self.adapter = adapter
    self.retriever = retriever
    self.dimension = dimension
    self.chunkTokens = chunkTokens
    self.slots = slots
    self.width = width
    self.type = type
    self.configuration = configuration
    self.nextRow = nextRow
    self.event = event
  }

  /// Bytes of one chunk's keys, or values, of all slots.
  public var chunkBytes: Int { slots * chunkTokens * width * type.byteWidth }

  var encoded: [String: String] {
    func text(_ identity: Identity) -> String {
      JSONValue.object(["name": .string(identity.name), "digest": .string(identity.digest)]).encoded
    }
    return [
      "model": text(model), "adapter": text(adapter), "retriever": text(retriever),
      "dimension": "\(dimension)", "chunk_tokens": "\(chunkTokens)", "slots": "\(slots)",
      "width": "\(width)", "memory_dtype": type.rawValue, "memory": configuration.encoded,
      "next_row": "\(nextRow)", "event": "\(event)",
    ]
  }

  init(block: ShardBlock) throws {
    func identity(_ key: String) throws -> Identity {
      let value = try block.json(key)
      guard let name = value["name"]?.stringValue, let digest = value["digest"]?.stringValue else {
        throw block.error("parameter \(key) has no name and digest")
      }
      return Identity(name: name, digest: digest)
    }
    model = try identity("model")
    adapter = try identity("adapter")
    retriever = try identity("retriever")
    dimension = try block.integer("dimension", in: 1...1 << 20)
    chunkTokens = try block.integer("chunk_tokens", in: 1...Int(UInt16.max))
    slots = try block.integer("slots", in: 1...1024)
    width = try block.integer("width", in: 1...1 << 20)
    let types: [ElementType] = [.F32, .BF16, .F16]
    let name = try block.string("memory_dtype", among: types.map(\.rawValue))
    type = ElementType(rawValue: name) ?? .F32
    configuration = try block.json("memory")
    nextRow = try block.integer("next_row", in: 0...1 << 48)
    event = try block.integer("event", in: 0...1 << 48)
  }
}

/// One row of kind `memory`: a live chunk.
public struct MemoryRow: Equatable, Sendable {
  /// The chunk's number in all that was read.
  public var row: Int
  /// Its tokens, at most `chunkTokens`.
  public var length: Int
  public var hits: Int
  public var lastUse: Int
  /// The retrieval key, [dimension].
  public var key: [Float]
  /// Bytes [slots, chunkTokens, width] of the memory's type, zero beyond `length`.
  public var layerKeys: [UInt8]
  public var layerValues: [UInt8]
  /// UTF-8.
  public var text: [UInt8]

  public init(
    row: Int, length: Int, hits: Int, lastUse: Int, key: [Float], layerKeys: [UInt8],
    layerValues: [UInt8], text: [UInt8]
  ) {
    self.row = row
    self.length = length
    self.hits = hits
    self.lastUse = lastUse
    self.key = key
    self.layerKeys = layerKeys
    self.layerValues = layerValues
    self.text = text
  }
}

/// Writes one stream of kind `memory`.
public final class MemoryWriter {
  private let writer: ShardWriter
  private let parameters: MemoryParameters
  private var pending: [MemoryRow] = []
  private var isStarted = false

  public init(sink: any ByteSink, parameters: MemoryParameters, provenance: Provenance?) {
    self.parameters = parameters
    writer = ShardWriter(
      sink: sink, kind: Kind.memory.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: Kind.memory.compressionLevel,
      defersFirstBlock: false)
  }

  /// Rows rise.
  public func append(_ row: MemoryRow) throws {
    precondition(row.key.count == parameters.dimension && row.length <= parameters.chunkTokens)
    precondition(row.layerKeys.count == parameters.chunkBytes)
    precondition(row.layerValues.count == parameters.chunkBytes)
    pending.append(row)
    if pending.count * 2 * parameters.chunkBytes >= blockTarget { try flush() }
  }

  /// Ends the stream.
  public func finish() throws {
    if !pending.isEmpty || !isStarted { try flush() }
    try writer.finish()
  }

  private func flush() throws {
    let (p, rows) = (parameters, pending.count)
    var offsets = [Int64(0)]
    for row in pending { offsets.append(offsets[offsets.count - 1] + Int64(row.text.count)) }
    let shape = [rows, p.slots, p.chunkTokens, p.width]
    try writer.append(
      rows: rows,
      tensors: [
        NamedTensor("row", .I64, [rows], pending.map { Int64($0.row) }),
        NamedTensor("length", .U16, [rows], pending.map { UInt16($0.length) }),
        NamedTensor("hits", .I64, [rows], pending.map { Int64($0.hits) }),
        NamedTensor("last_use", .I64, [rows], pending.map { Int64($0.lastUse) }),
        NamedTensor("key", .F32, [rows, p.dimension], pending.flatMap(\.key)),
        NamedTensor("layer_keys", p.type, shape, bytes: pending.flatMap(\.layerKeys)),
        NamedTensor("layer_values", p.type, shape, bytes: pending.flatMap(\.layerValues)),
        NamedTensor("text_offsets", .I64, [rows + 1], offsets),
        NamedTensor("text", .U8, [Int(offsets[rows])], pending.flatMap(\.text)),
      ])
    isStarted = true
    pending.removeAll(keepingCapacity: true)
  }
}

/// Reads the one stream of a shard of kind `memory`.
public final class MemoryReader {
  private let reader: KindReader
  private var lastRow = -1
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

  /// The next rows, nil at the end.
  ///
  /// - Throws: also where a second stream follows: two memories are not one.
  public func next() throws -> [MemoryRow]? {
    try nextColumns().map { block, columns in rows(block, columns) }
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
  }

  private func nextColumns() throws -> (block: ShardBlock, Columns)? {
    guard let block = try reader.next() else { return nil }
    guard block.stream == 0 else { throw block.error("a second memory in one shard") }
    let p = parameters
    let shape: [Int?] = [block.rows, p.slots, p.chunkTokens, p.width]
    let keys = try block.tensor("layer_keys", p.type, shape: shape)
    let values = try block.tensor("layer_values", p.type, shape: shape)
    let vectors = try block.finite("key", .F16, .F32, shape: [block.rows, p.dimension])
    let rows = try block.natural("row", .I64, as: Int64.self, below: Int64(p.nextRow))
    let lengths = try block.natural(
      "length", .U16, as: UInt16.self, below: UInt16(clamping: p.chunkTokens + 1))
    let hits = try block.natural("hits", .I64, as: Int64.self, below: 1 << 48)
    let uses = try block.natural("last_use", .I64, as: Int64.self, below: Int64(p.event + 1))
    let text = try block.tensor("text", .U8, shape: [nil])
    let offsets = try block.offsets("text_offsets", count: text.byteCount)
    for index in 0..<block.rows {
      guard Int(rows[index]) > lastRow, lengths[index] > 0 else {
        throw block.error("row \(rows[index]) falls back or is empty")
      }
      lastRow = Int(rows[index])
    }
    return (
      block,
      Columns(
        keys: keys, values: values, vectors: vectors, rows: rows, lengths: lengths, hits: hits,
        uses: uses, text: text, offsets: offsets)
    )
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
