import Chunking
import TestSupport
import XCTest

final class WindowPackerTests: XCTestCase {
  private func rules(
    _ length: Int, stride: Int? = nil, last: Int, prefill: Int, filter: Int = 1
  ) -> WindowRules {
    WindowRules(
      length: length, stride: stride ?? length, lastContext: last, prefillTokens: prefill,
      filterLength: filter)
  }

  private func pack(
    _ documents: [[Int32]], _ rules: WindowRules, chunk: Int, packing: Packing = .document,
    separator: Int32? = nil
  ) throws -> [PackedChunk] {
    var packer = WindowPacker(rules, chunkTokens: chunk, packing: packing, separator: separator)
    var chunks: [PackedChunk] = []
    for (index, ids) in documents.enumerated() {
      try packer.append(ids, source: UInt8(index)) { chunks.append($0) }
    }
    try packer.finish { chunks.append($0) }
    return chunks
  }

  /// The published program's windows of documents of given lengths.
  func testStartsArePublished() throws {
    let cases = try XCTUnwrap(fixtureJSON("eval-windows.json").arrayValue)
    XCTAssertEqual(cases.count, 4)
    for fixture in cases {
      func number(_ name: String) throws -> Int { try XCTUnwrap(fixture[name]?.intValue) }
      func numbers(_ name: String) throws -> [Int] {
        try XCTUnwrap(fixture[name]?.arrayValue).compactMap(\.intValue)
      }
      let rules = try rules(
        number("seq_len"), stride: number("sliding_window"), last: 2048, prefill: 128,
        filter: number("filter_length"))
      let starts = try numbers("doc_lens").flatMap(rules.starts)
      XCTAssertEqual(starts, try numbers("starts"))
      XCTAssertEqual(starts.count, try number("n_windows"))
    }
  }

  func testFilterKeepsItsOwnLength() {
    let rules = rules(10, last: 4, prefill: 4, filter: 50)
    XCTAssertEqual(rules.starts(of: 49), [])
    XCTAssertEqual(rules.starts(of: 50), [0, 10, 20, 30])
    XCTAssertEqual(rules.starts(of: 51), [0, 10, 20, 30, 40])
  }

  /// The lengths of the published fixtures memlong-longinput and memlong-longinput-ragged, and short ones.
  func testSegments() {
    let even = rules(12 * 16 + 64, last: 64, prefill: 16)
    XCTAssertEqual(even.segments.map(\.count), Array(repeating: 16, count: 12) + [64])
    let ragged = rules(11 * 16 + 10 + 64, last: 64, prefill: 16)
    XCTAssertEqual(ragged.segments.map(\.count), Array(repeating: 16, count: 11) + [10, 64])
    XCTAssertEqual(rules(64, last: 64, prefill: 16).segments, [0..<64])
    XCTAssertEqual(rules(40, last: 64, prefill: 16).segments, [0..<40])
    XCTAssertEqual(ragged.segmentTokens(chunkTokens: 48), 96)
    XCTAssertEqual(rules(40, last: 64, prefill: 16).segmentTokens(chunkTokens: 16), 48)
  }

  /// Every window by itself, cut chunk by chunk within each segment.
  func testChunksOfWindows() throws {
    let rules = rules(23, stride: 20, last: 9, prefill: 8, filter: 20)
    let documents: [[Int32]] = [Array(0..<70), [], Array(100..<119), Array(200..<244)]
    let chunks = try pack(documents, rules, chunk: 4)
    XCTAssertEqual(Set(chunks.map(\.document)), [0, 1, 2, 3, 4])
    for (window, place) in [(0, 0), (0, 20), (0, 40), (2, 0), (2, 20)].enumerated() {
      let own = chunks.filter { $0.document == Int64(window) }
      XCTAssertEqual(own.map(\.origin), Array(repeating: Int64(place.0), count: own.count))
      XCTAssertEqual(own.map(\.ordinal), Array(0..<7))
      XCTAssertEqual(own.map(\.segment), [0, 0, 1, 1, 2, 2, 2])
      XCTAssertEqual(own.map(\.tokens.count), [4, 4, 4, 2, 4, 4, 1])
      let first = Int32(place.0 * 100 + place.1)
      XCTAssertEqual(own.flatMap(\.tokens), Array(first..<first + 23))
      XCTAssertEqual(own.map(\.source), Array(repeating: place.0 == 0 ? 0 : 3, count: 7))
    }
  }

  func testJoinedDocuments() throws {
    let rules = rules(6, last: 3, prefill: 3, filter: 12)
    let documents: [[Int32]] = [[1, 2, 3, 4], [5], [6, 7, 8, 9, 10, 11]]
    let chunks = try pack(documents, rules, chunk: 3, packing: .stream, separator: 0)
    XCTAssertEqual(
      chunks.map(\.tokens), [[1, 2, 3], [4, 0, 5], [0, 6, 7], [8, 9, 10]])
    XCTAssertEqual(chunks.map(\.document), [0, 0, 1, 1])
    XCTAssertEqual(chunks.map(\.origin), [0, 0, 0, 0])
    XCTAssertEqual(chunks.map(\.source), [0, 0, 2, 2])
    XCTAssertEqual(try pack(documents, rules, chunk: 3), [])
  }
}
