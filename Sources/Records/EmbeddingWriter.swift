import Safetensors
import ShardIO

/// Writes one stream of kind `embeddings`. Block 0 waits for the digest of the chunks, which is
/// known at their end.
public final class EmbeddingWriter {
  private let writer: ShardWriter
  private let dimension: Int
  private let type: ElementType
  private var isStarted = false

  private var keys: [UInt8] = []
  private var documents: [Int64] = []
  private var segments: [Int32] = []
  private var queryRows: [Int64] = []
  private var queries: [UInt8] = []
  private var halves: [Float16]

  /// - Parameter valueType: F16 or F32
  public init(
    sink: any ByteSink, parameters: EmbeddingParameters, valueType: ElementType = .F16,
    provenance: Provenance?, compressionLevel: Int = Kind.embeddings.compressionLevel
  ) {
    precondition((valueType == .F16 || valueType == .F32) && parameters.dimension > 0)
    dimension = parameters.dimension
    type = valueType
    halves = [Float16](repeating: 0, count: dimension)
    writer = ShardWriter(
      sink: sink, kind: Kind.embeddings.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: compressionLevel, defersFirstBlock: true)
  }

  /// Rows appended so far.
  public var rows: Int { writer.rows + documents.count }

  /// Appends the key of the next chunk, [dimension].
  public func append(
    key: some Collection<Float>, document: Int64 = 0, segment: Int32 = 0
  ) throws {
    if keys.count + queries.count + documents.count * 12 + queryRows.count * 8 >= blockTarget {
      try flush()
    }
    append(key, to: &keys)
    documents.append(document)
    segments.append(segment)
  }

  /// Appends the query of the retrieval block that starts at chunk `row`, [dimension]. Rows rise;
  /// a query comes before the key of the chunk after its own.
  public func appendQuery(row: Int, _ query: some Collection<Float>) throws {
    precondition(row >= writer.rows && row >= rows - 1, "the query of row \(row) is late")
    precondition(queryRows.last.map { $0 < row } ?? true, "query rows must rise")
    queryRows.append(Int64(row))
    append(query, to: &queries)
  }

  /// Ends the stream.
  @discardableResult
  public func finish(chunksDigest: Digest, inputs: [Digest]? = nil) throws -> Digest {
    if !documents.isEmpty || !isStarted { try flush() }
    precondition(queryRows.isEmpty, "a query without its chunk")
    return try writer.finish(
      addingParameters: ["chunks_digest": chunksDigest.description],
      inputs: inputs ?? [chunksDigest])
  }

  private func append(_ values: some Collection<Float>, to bytes: inout [UInt8]) {
    let isAppended: Void? = values.withContiguousStorageIfAvailable { append($0, to: &bytes) }
    if isAppended == nil { Array(values).withUnsafeBufferPointer { append($0, to: &bytes) } }
  }

  private func append(_ values: UnsafeBufferPointer<Float>, to bytes: inout [UInt8]) {
    precondition(values.count == dimension, "\(values.count) values, not \(dimension)")
    if type == .F32 {
      bytes.append(contentsOf: UnsafeRawBufferPointer(values))
    } else {
      halves.withUnsafeMutableBufferPointer { halves in
        for index in 0..<values.count { halves[index] = Float16(values[index]) }
        bytes.append(contentsOf: UnsafeRawBufferPointer(halves))
      }
    }
  }

  private func flush() throws {
    let end = Int64(rows)
    let count = queryRows.firstIndex { $0 >= end } ?? queryRows.count
    let queryBytes = count * dimension * type.byteWidth
    try writer.append(
      rows: documents.count,
      tensors: [
        NamedTensor("keys", type, [documents.count, dimension], bytes: keys),
        NamedTensor("document", .I64, [documents.count], documents),
        NamedTensor("segment", .I32, [documents.count], segments),
        NamedTensor("query_row", .I64, [count], Array(queryRows[..<count])),
        NamedTensor("queries", type, [count, dimension], bytes: Array(queries[..<queryBytes])),
      ])
    isStarted = true
    keys.removeAll(keepingCapacity: true)
    documents.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
    queryRows.removeFirst(count)
    queries.removeFirst(queryBytes)
  }
}
