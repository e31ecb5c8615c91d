import Records
import ShardIO
import TestSupport
import XCTest

final class EmbeddingRecordTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> ([EmbeddingBatch], EmbeddingReader) {
    let reader = try EmbeddingReader(source: MemorySource(bytes))
    var batches: [EmbeddingBatch] = []
    while let batch = try reader.next() { batches.append(batch) }
    return (batches, reader)
  }

  func testRoundTrip() throws {
    for wide in [false, true] {
      for count in [0, 1, 9] {
        let (batches, reader) = try read(Samples.embeddingShard(count, wide: wide))
        XCTAssertEqual(batches.count, 1)
        XCTAssertEqual(batches[0].rows, count)
        XCTAssertEqual(batches[0].keys, (0..<count).flatMap { [Float](repeating: Float($0), count: 3) })
        XCTAssertEqual(batches[0].queryRows, Array(stride(from: 0, to: count, by: 2)))
        XCTAssertEqual(batches[0].queries.count, batches[0].queryRows.count * 3)
        XCTAssertEqual(batches[0].documents, (0..<count).map { Int64($0 / 5) })
        XCTAssertEqual(batches[0].segments, (0..<count).map { Int32($0 % 5 / 2) })
        var expected = Samples.embeddingParameters(3)
        expected.chunksDigest = Samples.digest
        XCTAssertEqual(reader.parameters, expected)
        XCTAssertEqual(reader.chunksDigest, Samples.digest)
      }
    }
  }

  func testQueriesStayWithTheirRowsAcrossBlocks() throws {
    let count = 5000
    let (batches, _) = try read(Samples.embeddingShard(count, dimension: 1024))
    XCTAssertGreaterThan(batches.count, 2)
    var next = 0
    for batch in batches {
      XCTAssertEqual(batch.firstRow, next)
      next += batch.rows
      for (index, row) in batch.queryRows.enumerated() {
        XCTAssert((batch.firstRow..<next).contains(row))
        XCTAssertEqual(batch.queries[index * 1024], Float(Float16(-row)))
      }
    }
    XCTAssertEqual(batches.flatMap(\.queryRows), Array(stride(from: 0, to: count, by: 2)))
  }

  func testQueriesMayComeAheadOrRightAfter() throws {
    func shard(_ order: [(query: Bool, row: Int)]) throws -> [UInt8] {
      let sink = MemorySink()
      let writer = EmbeddingWriter(
        sink: sink, parameters: Samples.embeddingParameters(1), provenance: nil)
      for step in order {
        if step.query {
          try writer.appendQuery(row: step.row, [1])
        } else {
          try writer.append(key: [Float(step.row)])
        }
      }
      try writer.finish(chunksDigest: Samples.digest)
      return sink.bytes
    }
    let ahead = try shard([(true, 0), (true, 1), (false, 0), (false, 1)])
    XCTAssertEqual(ahead, try shard([(false, 0), (true, 0), (false, 1), (true, 1)]))
  }

  func testConcatenation() throws {
    let a = try Samples.embeddingShard(7)
    let b = try Samples.embeddingShard(
      3, digest: XCTUnwrap(Digest(hexadecimal: String(repeating: "0", count: 32))))
    let (batches, reader) = try read(a + b)
    XCTAssertEqual(batches[1].firstRow, 7)
    XCTAssertEqual(batches[1].queryRows, [7, 9])
    XCTAssertEqual(batches[1].documents, [2, 2, 2])
    XCTAssertEqual(
      reader.chunksDigest,
      Digest.combining([
        Samples.digest, try XCTUnwrap(Digest(hexadecimal: String(repeating: "0", count: 32))),
      ]))
    XCTAssertThrowsError(try read(a + Samples.embeddingShard(3, dimension: 4)))
  }

  func testTensorsThatDisagree() throws {
    let good = try XCTUnwrap(
      try ShardReader(source: MemorySource(Samples.embeddingShard(3, wide: true))).next())
    for rows: [Int64] in [[0, 3], [2, 0], [0, 0], [-1, 0], [0, .max]] {
      try assertRefused(good, replacing: [NamedTensor("query_row", .I64, [2], rows)])
    }
    try assertRefused(good, replacing: [NamedTensor("query_row", .I64, [1], [0] as [Int64])])
    for value: Float in [.nan, .infinity, -.infinity] {
      var values = [Float](repeating: 0, count: 9)
      values[4] = value
      try assertRefused(good, replacing: [NamedTensor("keys", .F32, [3, 3], values)])
    }
    try assertRefused(
      good, replacing: [NamedTensor("keys", .F32, [3, 2], [Float](repeating: 0, count: 6))])
    try assertRefused(
      good, replacing: [NamedTensor("keys", .I32, [3, 3], [Int32](repeating: 0, count: 9))])
    for (key, value) in [
      ("dimension", "0"), ("dimension", "9223372036854775807"), ("dimension", "4"), ("query", "?"),
      ("chunks_digest", ""), ("chunks_digest", "xyz"), ("model", "7"), ("block_tokens", "-1"),
    ] {
      try assertRefused(good, parameters: [key: value])
    }
  }
}
