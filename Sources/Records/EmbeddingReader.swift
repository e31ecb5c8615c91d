import Safetensors
import ShardIO

/// Reads a concatenation of streams of kind `embeddings`.
public final class EmbeddingReader {
  private let reader: KindReader
  private var documents = DocumentNumbers()
  private var chunksDigests: [Digest] = []
  private var lastQueryRow = -1

  /// Of the first stream; all streams agree in all but `chunksDigest`.
  public let parameters: EmbeddingParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  ///
  /// - Parameter readsAhead: as for `ShardReader`.
  public convenience init(sources: [any ByteSource], readsAhead: Bool = false) throws {
    try self.init(KindReader(sources: sources, kind: .embeddings, readsAhead: readsAhead))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try EmbeddingParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// The chunks that the whole input was made from; complete once `next` has returned nil.
  public var chunksDigest: Digest { Digest.combining(chunksDigests) }

  /// The next rows, nil at the end.
  public func next() throws -> EmbeddingBatch? {
    try nextColumns().map { block, columns in
      EmbeddingBatch(
        firstRow: block.rowBase + block.firstRow, rows: block.rows, keys: columns.keys.floats(),
        documents: columns.documents, segments: columns.segments,
        queryRows: columns.starts.map { $0 + block.rowBase }, queries: columns.queries.floats(),
        stream: block.stream)
    }
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool { try nextColumns() != nil }

  private func nextColumns() throws -> (block: ShardBlock, Columns)? {
    guard let block = try reader.next() else { return nil }
    if block.index == 0 {
      chunksDigests.append(try block.digest("chunks_digest"))
      documents.begin(stream: block.stream)
      lastQueryRow = -1
    }
    return (block, try columns(block))
  }

  /// What a block holds, checked.
  private struct Columns {
    let keys: ShardTensor
    let documents: [Int64]?
    let segments: [Int32]?
    /// Rows within the stream.
    let starts: [Int]
    let queries: ShardTensor
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let dimension = parameters.dimension
    let keys = try block.finite("keys", .F16, .F32, shape: [block.rows, dimension])
    let starts = try block.tensor("query_row", .I64, shape: [nil]).copy(as: Int.self)
    for row in starts {
      guard row > lastQueryRow, row >= block.firstRow, row < block.firstRow + block.rows else {
        throw block.error("query_row is \(row), out of order or outside the block")
      }
      lastQueryRow = row
    }
    let queries = try block.finite("queries", .F16, .F32, shape: [starts.count, dimension])
    var documentNumbers: [Int64]?
    if block["document"] != nil {
      documentNumbers = try block.natural(
        "document", .I64, as: Int64.self, below: DocumentNumbers.limit
      ).map { documents.unique($0) }
    }
    let segments =
      try block["segment"] == nil ? nil : block.natural("segment", .I32, as: Int32.self)
    return Columns(
      keys: keys, documents: documentNumbers, segments: segments, starts: starts, queries: queries)
  }
}
