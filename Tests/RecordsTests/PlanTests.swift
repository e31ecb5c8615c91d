import Records
import ShardIO
import TestSupport
import XCTest

final class PlanTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> ([PlanRow], PlanReader) {
    let reader = try PlanReader(source: MemorySource(bytes))
    var rows: [PlanRow] = []
    while let batch = try reader.next() { rows += batch.rows }
    return (rows, reader)
  }

  func testRoundTrip() throws {
    for count in [0, 1, 20] {
      let rows = Samples.planRows(count)
      let (found, reader) = try read(Samples.planShard(rows, chunkRows: 41))
      XCTAssertEqual(found, rows)
      var expected = Samples.planParameters
      (expected.chunksDigest, expected.embeddingsDigest) = (Samples.digest, Samples.digest)
      expected.chunkRows = 41
      XCTAssertEqual(reader.parameters, expected)
    }
  }

  func testConcatenationShiftsByChunkRows() throws {
    let rows = Samples.planRows(5)
    let bytes = try Samples.planShard(rows, chunkRows: 11)
    let (found, reader) = try read(bytes + bytes)
    XCTAssertEqual(found[5...].map(\.row), rows.map { $0.row + 11 })
    XCTAssertEqual(found[9].neighbours, rows[4].neighbours.map { $0 + 11 })
    XCTAssertEqual(found[7].evicted, rows[2].evicted.map { $0 + 11 })
    XCTAssertEqual(reader.chunksDigest, Digest.combining([Samples.digest, Samples.digest]))
  }

  func testTensorsThatDisagree() throws {
    let good = try XCTUnwrap(
      try ShardReader(source: MemorySource(Samples.planShard(Samples.planRows(3), chunkRows: 9)))
        .next())
    func refuse<Value: BitwiseCopyable>(
      _ name: String, _ shape: [Int], _ values: [Value], line: UInt = #line
    ) throws {
      let type = try XCTUnwrap(good[name]).type
      try assertRefused(good, replacing: [NamedTensor(name, type, shape, values)], line: line)
    }
    try refuse("row", [3], [0, 4, 2] as [Int64])
    try refuse("row", [3], [0, 4, 4] as [Int64])
    try refuse("row", [3], [0, 2, 9] as [Int64])
    try refuse("row", [3], [-1, 2, 4] as [Int64])
    for slots: [Int64] in [
      [4, -1, -1], [1, 0, -1], [-1, 0, -1], [-2, -1, -1], [1, 1, -1], [.max, -1, -1],
    ] {
      try refuse("neighbours", [3, 3], [-1, -1, -1, -1, -1, -1] + slots)
    }
    try refuse("live", [3], [0, 2, -1] as [Int32])
    try refuse("evicted", [2], [0, 9] as [Int64])
    try refuse("evicted", [2], [0, -1] as [Int64])
    try refuse("evicted_offsets", [4], [0, 2, 1, 2] as [Int64])
    try refuse("evicted_offsets", [4], [0, 0, 0, 3] as [Int64])
    for (key, value) in [
      ("top_k", "4"), ("top_k", "-1"), ("memory_tokens", "?"), ("seed", "-1"), ("chunk_rows", "x"),
      ("embeddings_digest", "0"), ("eviction", "oldest"), ("reset", "daily"), ("select", "best"),
    ] {
      try assertRefused(good, parameters: [key: value])
    }
  }

  func testScores() throws {
    for count in [0, 9, 300_000] {
      let rows = Samples.scoreRows(count)
      let reader = try ScoreReader(
        source: MemorySource(try Samples.scoreShard(rows, chunkRows: 75_000)))
      var found: [ScoreRow] = []
      while let batch = try reader.next() { found += batch.rows }
      XCTAssertEqual(found, rows)
      XCTAssertEqual(
        reader.parameters,
        ScoreParameters(
          model: "m", adapter: "a", protocolName: "stream", planDigest: Samples.digest,
          chunkRows: 75_000))
    }
    let good = try XCTUnwrap(
      try ShardReader(source: MemorySource(Samples.scoreShard(Samples.scoreRows(2)))).next())
    try assertRefused(good, replacing: [NamedTensor("scored", .U8, [2], [0, 2] as [UInt8])])
    try assertRefused(good, replacing: [NamedTensor("nll", .F32, [2], [0, .nan] as [Float])])
    try assertRefused(good, replacing: [NamedTensor("offset", .I32, [2], [0, -1] as [Int32])])
  }

  func testWrongKindNamesBoth() throws {
    let plan = try Samples.planShard([], chunkRows: 0)
    XCTAssertThrowsError(try ChunkReader(source: MemorySource(plan, name: "p.mls"))) {
      XCTAssertEqual("\($0)", "p.mls: block 0 (row 0): expected chunks, found plan")
    }
    XCTAssertThrowsError(try EmbeddingReader(source: MemorySource(plan)))
    XCTAssertThrowsError(try ScoreReader(source: MemorySource(plan)))
    let chunks = try Samples.chunkShard([])
    XCTAssertThrowsError(try PlanReader(source: MemorySource(chunks)))
  }
}
