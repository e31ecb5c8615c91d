import Modeling
import Records
import ShardIO

/// A plan with what it says of itself.
public struct LoadedPlan: Sendable {
  public let plan: RetrievalPlan
  public let parameters: PlanParameters
  public let provenance: Provenance?
  public let digest: Digest

  /// Reads a plan to its end.
  ///
  /// - Throws: `ShardError` naming both digests when the plan was made from other chunks.
  public init(_ reader: PlanReader, for chunks: ChunkCensus) throws {
    var plan = RetrievalPlan()
    while let batch = try reader.next() {
      for row in batch.rows {
        plan.append(row: Int(row.row), neighbours: row.neighbours.map { Int($0) })
      }
    }
    guard reader.chunksDigest == chunks.digest else {
      throw ShardError(
        "the plan was made from other chunks: \(reader.chunksDigest), not \(chunks.digest)")
    }
    self.plan = plan
    parameters = reader.parameters
    provenance = reader.provenance
    digest = reader.digest
  }
}
