import Foundation
import ModelSupport
import Records
import ShardIO
import TestSupport
import XCTest

/// Plans that do not fit the chunks that they are to be followed over.
final class PlanLoadingTests: XCTestCase {
  private func census() throws -> ChunkCensus {
    let sink = MemorySink()
    let writer = ChunkWriter(
      sink: sink,
      parameters: ChunkParameters(
        chunkTokens: 4, segmentTokens: 8, pack: "document", sources: ["s"],
        tokenizer: TokenizerIdentity(name: "t", vocabularySize: 1000, digest: "d")),
      provenance: nil)
    for row in 0..<6 {
      try writer.append(
        Chunk(
          tokens: [1, 2, 3, 4], document: 0, ordinal: Int32(row), segment: Int32(row / 2),
          source: 0, text: Array("x".utf8)))
    }
    try writer.finish()
    return try ChunkCensus(try ChunkReader(source: MemorySource(sink.bytes)))
  }

  /// Loads a plan of these rows, each of which reads the chunk before it.
  private func load(_ rows: [Int64], of digest: Digest, for chunks: ChunkCensus) throws {
    let sink = MemorySink()
    let writer = PlanWriter(
      sink: sink,
      parameters: PlanParameters(
        topK: 1, memoryTokens: 64, eviction: "counter", reset: "document", query: "previous",
        queryTokens: 8, blockTokens: 8, chunkTokens: 4),
      provenance: nil)
    for row in rows {
      try writer.append(
        PlanRow(
          row: row, neighbours: row > 0 ? [row - 1] : [], scores: row > 0 ? [1] : [],
          live: row > 0 ? 1 : 0))
    }
    try writer.finish(chunksDigest: digest, embeddingsDigest: digest, chunkRows: 1 << 48)
    try withTemporaryFolder { folder in
      let path = folder + "/plan.mls"
      try Data(sink.bytes).write(to: URL(fileURLWithPath: path))
      // XCTAssertEqual would catch what this throws.
      let loaded = try LoadedPlan(path: path, for: chunks)
      XCTAssertEqual(loaded.plan.blockCount, rows.count)
    }
  }

  func testPlansThatDoNotFitAreRefused() throws {
    let chunks = try census()
    try load([0, 2, 4], of: chunks.digest, for: chunks)
    let other = Digest.combining([])
    for (rows, digest, expected) in [
      ([0, 2, 4], other, "the plan was made from other chunks: \(other), not \(chunks.digest)"),
      ([0, 2, 6], chunks.digest, "the plan has row 6, but the chunks have 6 rows"),
      // A row that no memory could be taken for.
      ([0, 1 << 46], chunks.digest, "the plan has row \(1 << 46), but the chunks have 6 rows"),
      ([], chunks.digest, "the plan has no rows: its embeddings hold no queries"),
    ] as [([Int64], Digest, String)] {
      XCTAssertThrowsError(try load(rows, of: digest, for: chunks)) {
        XCTAssertTrue("\($0)".hasSuffix("/plan.mls: " + expected), "\($0)")
      }
    }
  }
}
