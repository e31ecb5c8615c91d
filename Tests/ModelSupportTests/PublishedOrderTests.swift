import ModelSupport
import Records
import Safetensors
import ShardIO
import TestSupport
import XCTest

/// `ml-shard split` and lanes together, against the orders of the published sampler.
final class PublishedOrderTests: XCTestCase {
  private let chunkTokens = 4

  /// A packed stream whose segment s has the token s throughout, and a short tail.
  private func packed(_ segments: Int, parts: [Int]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var token: Int32 = 0
    for count in parts + [segments - parts.reduce(0, +)] {
      let sink = MemorySink()
      let writer = ChunkWriter(
        sink: sink,
        parameters: ChunkParameters(
          chunkTokens: 4, segmentTokens: 8, pack: "stream", sources: ["s"],
          tokenizer: TokenizerIdentity(name: "t", vocabularySize: 1000, digest: "d")),
        provenance: nil)
      for row in 0...2 * count {
        try writer.append(
          Chunk(
            tokens: [Int32](repeating: row < 2 * count ? token : 999, count: 4), document: 0,
            ordinal: Int32(row), segment: Int32(row / 2), source: 0, text: Array("x".utf8)))
        token += Int32(row % 2)
      }
      try writer.finish()
      bytes += sink.bytes
    }
    return bytes
  }

  func testOrdersOfThePublishedSampler() throws {
    let cases = try XCTUnwrap(try fixtureJSON("protocol-sampler/case.json")["sampler"]?.arrayValue)
    XCTAssertGreaterThan(cases.count, 5)
    for expected in cases {
      let count = expected["N"]?.intValue ?? 0
      let (rows, processes) = (expected["B"]?.intValue ?? 0, expected["P"]?.intValue ?? 1)
      let order = try XCTUnwrap(expected["order"]?.arrayValue).map { $0.intValue ?? -1 }
      for parts in [[], [3]] {
        let found = try self.order(of: try packed(count, parts: parts), rows, processes)
        XCTAssertEqual(found, order, "\(count) segments, \(rows) × \(processes)")
      }
    }
  }

  /// The segments in the order of training: in each step every batch row, in it every process.
  private func order(of shard: [UInt8], _ rows: Int, _ processes: Int) throws -> [Int] {
    let lanes = rows * processes
    let result = try runTool("ml-shard", ["split", "-q", "--lanes", String(lanes)], stdin: shard)
    XCTAssertEqual(result.status, 0, result.standardError)
    let census = try ChunkCensus(try ChunkReader(source: MemorySource(result.output)))
    XCTAssertEqual(census.streams, lanes)
    XCTAssertEqual(census.documents.count, lanes)
    var readers = try census.lanes(lanes).map {
      LaneReader(try ChunkReader(source: MemorySource(result.output)), rows: $0)
    }
    var order: [Int] = []
    while true {
      for row in 0..<rows {
        for process in 0..<processes {
          guard let segment = try readers[row + process * rows].next() else { return order }
          XCTAssertEqual(Set(segment.tokens).count, 1)
          XCTAssertEqual(segment.tokens.count, 8)
          order.append(Int(segment.tokens[0]))
        }
      }
    }
  }

  func testWhatCannotBeSplitIsRefused() throws {
    let shard = try packed(3, parts: [])
    let few = try runTool("ml-shard", ["split", "--lanes", "4"], stdin: shard)
    XCTAssertEqual(few.status, 1)
    XCTAssert(few.standardError.contains("3 full segments, fewer than 4 lanes"), few.standardError)
    XCTAssertEqual(few.output, [])
    let none = try runTool("ml-shard", ["split", "--lanes", "0"], stdin: shard)
    XCTAssertEqual(none.status, 64)
  }
}
