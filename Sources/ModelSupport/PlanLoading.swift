import Modeling
import Records
import ShardIO

/// A plan with what it says of itself.
public struct LoadedPlan: Sendable {
  public let plan: RetrievalPlan
  public let parameters: PlanParameters
  public let provenance: Provenance?
  public let digest: Digest
  /// Streams of the plan: several where shards were planned one by one, each with its own memory.
  public let streams: Int

  /// Reads a plan to its end.
  ///
  /// - Throws: `ShardError` naming both digests when the plan was made from other chunks.
  public init(_ reader: PlanReader, for chunks: ChunkCensus) throws {
    var plan = RetrievalPlan()
    var streams = Set<Int>()
    while let batch = try reader.next() {
      streams.insert(batch.stream)
      for row in batch.rows {
        plan.append(row: Int(row.row), neighbours: row.neighbours.map { Int($0) })
      }
    }
    guard reader.chunksDigest == chunks.digest else {
      throw ShardError(
        "the plan was made from other chunks: \(reader.chunksDigest), not \(chunks.digest)")
    }
    self.plan = plan
    self.streams = streams.count
    parameters = reader.parameters
    provenance = reader.provenance
    digest = reader.digest
  }
}
