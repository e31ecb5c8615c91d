import Modeling
import Records
import ShardIO
import ToolSupport

/// A plan with what it says of itself.
public struct LoadedPlan: Sendable {
  public let plan: RetrievalPlan
  public let parameters: PlanParameters
  public let provenance: Provenance?
  public let digest: Digest
  /// Streams of the plan: several where shards were planned one by one, each with its own memory.
  public let streams: Int

  /// Reads the plan at `path` (`-`: standard input) to its end.
  ///
  /// - Throws: `ShardError` naming both digests when the plan was made from other chunks, or the row
  ///   when it plans for rows that the chunks do not have, or for none.
  public init(path: String, for chunks: ChunkCensus) throws {
    let input = try InputFile(path)
    let reader = try PlanReader(source: input)
    var plan = RetrievalPlan()
    // Rows beyond the chunks are not kept: the plan takes memory by its largest row.
    var outside: Int64?
    var streams = Set<Int>()
    while let batch = try reader.next() {
      streams.insert(batch.stream)
      for row in batch.rows {
        guard row.row < chunks.rows else {
          outside = outside ?? row.row
          continue
        }
        plan.append(row: Int(row.row), neighbours: row.neighbours.map { Int($0) })
      }
    }
    let fail = { (reason: String) in ShardError(reason, path: input.name) }
    guard reader.chunksDigest == chunks.digest else {
      throw fail(
        "the plan was made from other chunks: \(reader.chunksDigest), not \(chunks.digest)")
    }
    if let outside {
      throw fail("the plan has row \(outside), but the chunks have \(chunks.rows) rows")
    }
    guard !plan.isEmpty else {
      throw fail("the plan has no rows: its embeddings hold no queries")
    }
    self.plan = plan
    self.streams = streams.count
    parameters = reader.parameters
    provenance = reader.provenance
    digest = reader.digest
  }

  /// At most so many memory tokens are retrieved by one segment's blocks together.
  public func retrievedTokens(_ census: ChunkCensus) -> Int {
    let blockTokens = max(1, parameters.blockTokens)
    let blocks = max(1, (census.longestSegment + blockTokens - 1) / blockTokens)
    return min(plan.retrievals.most, 1 << 20) * min(blocks, 1 << 16)
      * min(census.parameters.chunkTokens, 1 << 20)
  }
}

extension SlidingContext {
  /// - Throws: `ToolError` where a segment is longer than the context beside its sinks.
  public func check(_ chunks: ChunkCensus) throws {
    guard !holds(segmentTokens: chunks.longestSegment) else { return }
    throw ToolError(
      "--context \(tokens)" + (sinks > 0 ? " with \(sinks) sinks" : "")
        + " is shorter than the longest segment, \(chunks.longestSegment) tokens")
  }
}

extension CommonOptions {
  /// Says where a plan is for another local context: it leaves to the reader's what it was made for, so
  /// that another one misses text or reads it twice.
  ///
  /// - Parameter local: the tokens of the reader's context beside its sinks; nil: none.
  public func noteContext(of plan: LoadedPlan?, read local: Int?) {
    guard let plan, plan.parameters.contextTokens != local else { return }
    note(
      plan.parameters.contextTokens.map {
        "the plan is for a local context of \($0) tokens (ml-index --context), which --context "
          + "beside its sinks is not"
      } ?? "the plan is for segments read alone (ml-index --context none), not beside a context")
  }

  /// The provenance of what a model made of chunks: the chains of its adapter and of the plan, or
  /// of the chunks without one, then this run. The plan is an input, so its digest names it and not its path.
  ///
  /// - Parameters: as for `provenance(earlier:inputs:digests:omitting:flags:)`.
  public func provenance(
    adapter: String?, _ census: ChunkCensus, _ plan: LoadedPlan?, inputs: [String],
    omitting: Set<String>, flags: Set<String> = []
  ) throws -> Provenance? {
    let data = plan?.provenance ?? census.provenance ?? []
    return provenance(
      earlier: try LoadedModel.provenance(ofAdapter: adapter) + data, inputs: inputs,
      digests: [census.digest] + (plan.map { [$0.digest] } ?? []),
      omitting: omitting.union(["--plan"]), flags: flags)
  }
}
