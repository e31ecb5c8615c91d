import Safetensors
import ShardIO

/// Writes one stream of kind `plan`. Block 0 waits for the digests of what the plan is made from.
public final class PlanWriter {
  private let writer: ShardWriter
  private let topK: Int
  private var isStarted = false

  private var starts: [Int64] = []
  private var neighbours: [Int64] = []
  private var scores: [Float] = []
  private var live: [Int32] = []
  private var evictedOffsets: [Int64] = [0]
  private var evicted: [Int64] = []

  public init(
    sink: any ByteSink, parameters: PlanParameters, provenance: Provenance?,
    compressionLevel: Int = Kind.plan.compressionLevel
  ) {
    precondition(parameters.topK >= 0)
    topK = parameters.topK
    writer = ShardWriter(
      sink: sink, kind: Kind.plan.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: compressionLevel, defersFirstBlock: true)
  }

  /// Rows appended so far.
  public var rows: Int { writer.rows + starts.count }

  /// Appends one row; rows rise. Missing neighbours are stored as −1 with score 0.
  public func append(_ row: PlanRow) throws {
    precondition(row.neighbours.count <= topK && row.scores.count == row.neighbours.count)
    if (starts.count * 28 + neighbours.count * 12 + evicted.count * 8) >= blockTarget {
      try flush()
    }
    let missing = topK - row.neighbours.count
    starts.append(row.row)
    neighbours += row.neighbours
    neighbours += repeatElement(-1, count: missing)
    scores += row.scores
    scores += repeatElement(0, count: missing)
    live.append(row.live)
    evicted += row.evicted
    evictedOffsets.append(Int64(evicted.count))
  }

  /// Ends the stream.
  @discardableResult
  public func finish(
    chunksDigest: Digest, embeddingsDigest: Digest, chunkRows: Int, inputs: [Digest]? = nil
  ) throws -> Digest {
    if !starts.isEmpty || !isStarted { try flush() }
    return try writer.finish(
      addingParameters: [
        "chunks_digest": chunksDigest.description,
        "embeddings_digest": embeddingsDigest.description, "chunk_rows": String(chunkRows),
      ], inputs: inputs ?? [embeddingsDigest])
  }

  private func flush() throws {
    let rows = starts.count
    try writer.append(
      rows: rows,
      tensors: [
        NamedTensor("row", .I64, [rows], starts),
        NamedTensor("neighbours", .I64, [rows, topK], neighbours),
        NamedTensor("scores", .F32, [rows, topK], scores),
        NamedTensor("live", .I32, [rows], live),
        NamedTensor("evicted_offsets", .I64, [rows + 1], evictedOffsets),
        NamedTensor("evicted", .I64, [evicted.count], evicted),
      ])
    isStarted = true
    starts.removeAll(keepingCapacity: true)
    neighbours.removeAll(keepingCapacity: true)
    scores.removeAll(keepingCapacity: true)
    live.removeAll(keepingCapacity: true)
    evictedOffsets = [0]
    evicted.removeAll(keepingCapacity: true)
  }
}
