import ModelSupport
import Modeling
import Records
import ShardIO
import TestSupport
import XCTest

/// Chunks joined to segments, and documents dealt to lanes.
final class LaneTests: XCTestCase {
  /// Documents of so many tokens, chunks of 4 and segments of 8.
  private func shard(_ documents: [Int]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ChunkWriter(
      sink: sink,
      parameters: ChunkParameters(
        chunkTokens: 4, segmentTokens: 8, pack: "document", sources: ["s"],
        tokenizer: TokenizerIdentity(name: "t", vocabularySize: 1000, digest: "d")),
      provenance: nil)
    var token: Int32 = 0
    for (document, length) in documents.enumerated() {
      for (ordinal, start) in stride(from: 0, to: length, by: 4).enumerated() {
        let count = min(4, length - start)
        try writer.append(
          Chunk(
            tokens: (0..<count).map { token + Int32($0) }, document: Int64(document),
            ordinal: Int32(ordinal), segment: Int32(start / 8), source: 0, text: Array("x".utf8)))
        token += Int32(count)
      }
    }
    try writer.finish()
    return sink.bytes
  }

  /// A memory that is never emptied spans its stream, so lanes part between streams.
  func testLanesCanKeepStreamsWhole() throws {
    let bytes = try shard([8, 8]) + shard([8]) + shard([24])
    let census = try ChunkCensus(try reader(bytes))
    XCTAssertEqual(census.streams, 3)
    XCTAssertEqual(census.lanes(2, keepsStreams: true), [0..<6, 6..<12])
    XCTAssertEqual(census.lanes(3, keepsStreams: true), [0..<4, 4..<6, 6..<12])
    XCTAssertEqual(census.lanes(6), [0..<2, 2..<4, 4..<6, 6..<6, 6..<12, 12..<12])
  }

  private func reader(_ bytes: [UInt8]) throws -> ChunkReader {
    try ChunkReader(source: MemorySource(bytes))
  }

  func testSegmentsKnowTheNextToken() throws {
    let bytes = try shard([11, 3])
    var lane = LaneReader(try reader(bytes), rows: 0..<4)
    let first = try XCTUnwrap(try lane.next())
    XCTAssertEqual(first.tokens, Array(0..<8))
    XCTAssertEqual(first.chunkLengths, [4, 4])
    XCTAssertEqual(first.nextToken, 8)
    XCTAssertEqual(lane.position, 0)
    let tail = try XCTUnwrap(try lane.next())
    XCTAssertEqual(tail.tokens, [8, 9, 10])
    XCTAssertEqual(tail.firstRow, 2)
    XCTAssertEqual(tail.nextToken, -1)
    XCTAssertEqual(lane.position, 8)
    let second = try XCTUnwrap(try lane.next())
    XCTAssertEqual(second.tokens, [11, 12, 13])
    XCTAssertEqual(second.document, 1)
    XCTAssertEqual(lane.position, 0)
    XCTAssertNil(try lane.next())
  }

  func testLanesReadEveryDocumentOnce() throws {
    let lengths = [20, 5, 9, 30, 1, 16, 8]
    let bytes = try shard(lengths)
    let census = try ChunkCensus(try reader(bytes))
    XCTAssertEqual(census.tokens, lengths.reduce(0, +))
    XCTAssertEqual(census.segments, lengths.reduce(0) { $0 + ($1 + 7) / 8 })
    for count in 1...9 {
      var tokens: [Int32] = []
      for rows in census.lanes(count) {
        var lane = LaneReader(try reader(bytes), rows: rows)
        while let segment = try lane.next() { tokens += segment.tokens }
      }
      XCTAssertEqual(tokens, Array(0..<Int32(census.tokens)), "\(count) lanes")
    }
  }
}
