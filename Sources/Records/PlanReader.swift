import Safetensors
import ShardIO

/// Reads a concatenation of streams of kind `plan`.
public final class PlanReader {
  private let reader: KindReader
  private var chunksDigests: [Digest] = []
  private var embeddingsDigests: [Digest] = []
  private var chunkBase: Int64 = 0
  /// Chunk rows of the stream being read; nil where it does not say.
  private var chunkRows: Int?
  private var lastRow: Int64 = -1

  /// Of the first stream; all streams agree in all but the digests and `chunkRows`.
  public let parameters: PlanParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(sources: [any ByteSource]) throws {
    try self.init(KindReader(sources: sources, kind: .plan))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try PlanParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// What the whole input was made from; complete once `next` has returned nil.
  public var chunksDigest: Digest { Digest.combining(chunksDigests) }
  public var embeddingsDigest: Digest { Digest.combining(embeddingsDigests) }

  /// The next rows, nil at the end.
  public func next() throws -> PlanBatch? {
    guard let block = try reader.next() else { return nil }
    if block.index == 0 { try begin(block) }
    return PlanBatch(rows: try decode(block), stream: block.stream)
  }

  private func begin(_ block: ShardBlock) throws {
    if block.stream > 0 {
      guard let chunkRows else {
        throw block.error("the stream before does not say its chunk_rows")
      }
      chunkBase += Int64(chunkRows)
      guard chunkBase < 1 << 56 else { throw block.error("too many chunk rows") }
    }
    chunkRows = try block.optionalInteger("chunk_rows", in: 0...1 << 48)
    chunksDigests.append(try block.digest("chunks_digest"))
    embeddingsDigests.append(try block.digest("embeddings_digest"))
    lastRow = -1
  }

  private func decode(_ block: ShardBlock) throws -> [PlanRow] {
    let width = parameters.topK
    let limit = Int64(chunkRows ?? 1 << 48)
    let starts = try block.natural("row", .I64, as: Int64.self, below: limit)
    let neighbours = try block.tensor("neighbours", .I64, shape: [block.rows, width])
      .copy(as: Int64.self)
    let scores = try block.tensor("scores", .F32, shape: [block.rows, width]).copy(as: Float.self)
    let live = try block.natural("live", .I32, as: Int32.self)
    let evicted = try block.tensor("evicted", .I64, shape: [nil]).copy(as: Int64.self)
    let offsets = try block.offsets("evicted_offsets", count: evicted.count)
    return try (0..<block.rows).map { index in
      let failure = { (reason: String) in
        block.error("\(reason) at row \(block.firstRow + index)")
      }
      guard starts[index] > lastRow else { throw failure("chunk row \(starts[index]) falls back") }
      lastRow = starts[index]
      let slots = neighbours[index * width..<(index + 1) * width]
      let found = Array(slots.prefix { $0 != -1 })
      guard slots.dropFirst(found.count).allSatisfy({ $0 == -1 }),
        zip(found, found.dropFirst()).allSatisfy({ $0 < $1 }), found.first ?? 0 >= 0,
        found.last ?? -1 < starts[index]
      else { throw failure("neighbours are not earlier chunks in time order") }
      guard found.count <= live[index] else {
        throw failure("\(found.count) neighbours of \(live[index]) live chunks")
      }
      let gone = evicted[offsets[index]..<offsets[index + 1]]
      guard gone.allSatisfy({ $0 >= 0 && $0 < limit }) else {
        throw failure("an evicted row is outside the chunks")
      }
      let values = Array(scores[index * width..<index * width + found.count])
      guard values.withUnsafeBufferPointer(areFinite) else {
        throw failure("a score is not finite")
      }
      return PlanRow(
        row: starts[index] + chunkBase, neighbours: found.map { $0 + chunkBase }, scores: values,
        live: live[index], evicted: gone.map { $0 + chunkBase })
    }
  }
}
