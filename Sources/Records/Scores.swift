import Safetensors
import ShardIO

/// What holds for all rows of kind `scores`.
public struct ScoreParameters: Equatable, Sendable {
  public var model: String
  /// Empty without one.
  public var adapter: String
  public var protocolName: String
  /// Nil where memory was off.
  public var planDigest: Digest?
  /// The chunks that were scored, and their rows: a reader of several streams shifts the rows of
  /// the later ones by them.
  public var chunksDigest: Digest?
  public var chunkRows: Int?

  public init(
    model: String, adapter: String = "", protocolName: String, planDigest: Digest? = nil,
    chunksDigest: Digest? = nil, chunkRows: Int? = nil
  ) {
    self.model = model
    self.adapter = adapter
    self.protocolName = protocolName
    self.planDigest = planDigest
    self.chunksDigest = chunksDigest
    self.chunkRows = chunkRows
  }

  var encoded: [String: String] {
    var parameters = [
      "model": model, "adapter": adapter, "protocol": protocolName,
      "plan_digest": planDigest?.description ?? "",
    ]
    parameters["chunks_digest"] = chunksDigest?.description
    parameters["chunk_rows"] = chunkRows.map(String.init)
    return parameters
  }

  init(block: ShardBlock) throws {
    model = try block.string("model")
    adapter = try block.string("adapter")
    protocolName = try block.string("protocol")
    planDigest = try block.optionalDigest("plan_digest")
    chunksDigest =
      try block.parameters["chunks_digest"] == nil ? nil : block.digest("chunks_digest")
    chunkRows = try block.optionalInteger("chunk_rows", in: 0...1 << 48)
  }
}

/// One row of kind `scores`: one token.
public struct ScoreRow: Equatable, Sendable {
  /// The chunk, and the token within it.
  public var row: Int64
  public var offset: Int32
  /// Negative log-likelihood, in nats.
  public var nll: Float
  /// Whether the protocol counts the token.
  public var scored: Bool

  public init(row: Int64, offset: Int32, nll: Float, scored: Bool) {
    self.row = row
    self.offset = offset
    self.nll = nll
    self.scored = scored
  }
}

/// Rows that were read together. Chunk rows count within the whole input.
public struct ScoreBatch: Sendable {
  public let rows: [ScoreRow]
  public let stream: Int
}

/// Writes one stream of kind `scores`. What is only known at the end goes into `finish`.
public final class ScoreWriter {
  private let writer: ShardWriter
  private var isStarted = false
  private var chunkRows: [Int64] = []
  private var offsets: [Int32] = []
  private var values: [Float] = []
  private var scored: [UInt8] = []

  public init(
    sink: any ByteSink, parameters: ScoreParameters, provenance: Provenance?,
    compressionLevel: Int = Kind.scores.compressionLevel
  ) {
    writer = ShardWriter(
      sink: sink, kind: Kind.scores.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: compressionLevel, defersFirstBlock: true)
  }

  /// Rows appended so far.
  public var rows: Int { writer.rows + values.count }

  public func append(_ row: ScoreRow) throws {
    if values.count * 17 >= blockTarget { try flush() }
    chunkRows.append(row.row)
    offsets.append(row.offset)
    values.append(row.nll)
    scored.append(row.scored ? 1 : 0)
  }

  /// Ends the stream.
  @discardableResult
  public func finish(
    planDigest: Digest? = nil, chunksDigest: Digest? = nil, chunkRows: Int? = nil,
    inputs: [Digest] = []
  ) throws -> Digest {
    if !values.isEmpty || !isStarted { try flush() }
    var added: [String: String] = [:]
    added["plan_digest"] = planDigest?.description
    added["chunks_digest"] = chunksDigest?.description
    added["chunk_rows"] = chunkRows.map(String.init)
    return try writer.finish(addingParameters: added, inputs: inputs)
  }

  private func flush() throws {
    let rows = values.count
    try writer.append(
      rows: rows,
      tensors: [
        NamedTensor("row", .I64, [rows], chunkRows),
        NamedTensor("offset", .I32, [rows], offsets),
        NamedTensor("nll", .F32, [rows], values),
        NamedTensor("scored", .U8, [rows], scored),
      ])
    isStarted = true
    chunkRows.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    scored.removeAll(keepingCapacity: true)
  }
}

/// Reads a concatenation of streams of kind `scores`.
public final class ScoreReader {
  private let reader: KindReader
  private var chunkBase: Int64 = 0
  private var chunkRows: Int?

  /// Of the first stream; all streams agree in all but the digests and `chunkRows`.
  public let parameters: ScoreParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(sources: [any ByteSource]) throws {
    try self.init(KindReader(sources: sources, kind: .scores))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try ScoreParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// The next rows, nil at the end.
  public func next() throws -> ScoreBatch? {
    try nextColumns().map { block, columns in
      let rows = (0..<block.rows).map { index in
        ScoreRow(
          row: columns.rows[index] + chunkBase, offset: columns.offsets[index],
          nll: columns.values[index], scored: columns.scored[index] == 1)
      }
      return ScoreBatch(rows: rows, stream: block.stream)
    }
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool { try nextColumns() != nil }

  /// What a block holds, checked.
  private struct Columns {
    let rows: [Int64]
    let offsets: [Int32]
    let values: [Float]
    let scored: [UInt8]
  }

  private func nextColumns() throws -> (block: ShardBlock, Columns)? {
    guard let block = try reader.next() else { return nil }
    if block.index == 0 {
      if block.stream > 0 {
        guard let chunkRows else {
          throw block.error("the stream before does not say its chunk_rows")
        }
        chunkBase += Int64(chunkRows)
        guard chunkBase < 1 << 56 else { throw block.error("too many chunk rows") }
      }
      chunkRows = try block.optionalInteger("chunk_rows", in: 0...1 << 48)
    }
    return (block, try columns(block))
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let rows = try block.natural(
      "row", .I64, as: Int64.self, below: Int64(chunkRows ?? 1 << 48))
    let offsets = try block.natural("offset", .I32, as: Int32.self)
    let values = try block.tensor("nll", .F32, shape: [block.rows]).copy(as: Float.self)
    let scored = try block.natural("scored", .U8, as: UInt8.self, below: 2)
    for index in 0..<block.rows where scored[index] == 1 && !values[index].isFinite {
      throw block.error("a scored nll is not finite at row \(block.firstRow + index)")
    }
    return Columns(rows: rows, offsets: offsets, values: values, scored: scored)
  }
}
