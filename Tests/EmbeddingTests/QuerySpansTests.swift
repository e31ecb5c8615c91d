import Embedding
import TestSupport
import XCTest

final class QuerySpansTests: XCTestCase {
  /// A chunk of a random stream, its text unique so that requests show which rows they hold.
  private struct Stream {
    var chunks: [ChunkText] = []
    var crossesDocuments: Bool
  }

  private func randomStream(
    _ random: inout some RandomNumberGenerator, chunkTokens: Int, segmentTokens: Int
  ) -> Stream {
    var result = Stream(crossesDocuments: Bool.random(using: &random))
    let rowsPerSegment = segmentTokens / chunkTokens
    var document: Int64 = 0
    for stream in 0..<Int.random(in: 1...3, using: &random) {
      var packedRow = 0
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let rows = Int.random(in: 1...11, using: &random)
        for index in 0..<rows {
          let segmentRow = result.crossesDocuments ? packedRow : index
          // Short at a document's end, and now and then inside it, as windows of a document are.
          let short = index == rows - 1 || Int.random(in: 0..<6, using: &random) == 0
          result.chunks.append(
            ChunkText(
              stream: stream, document: document, segment: Int32(segmentRow / rowsPerSegment),
              tokens: short ? Int.random(in: 1...chunkTokens, using: &random) : chunkTokens,
              text: Array("[\(result.chunks.count)]".utf8)))
          packedRow += 1
        }
        document += 1
      }
    }
    return result
  }

  /// Every rule read off DESIGN §1.2 row by row, with the whole stream in hand.
  private func oracle(
    _ stream: Stream, _ queryProtocol: QueryProtocol, queryTokens: Int, rowsPerBlock: Int
  ) -> [EmbeddingRequest] {
    let chunks = stream.chunks
    func sameContext(_ a: Int, _ b: Int) -> Bool {
      chunks[a].stream == chunks[b].stream
        && (stream.crossesDocuments || chunks[a].document == chunks[b].document)
    }
    func sameSegment(_ a: Int, _ b: Int) -> Bool {
      sameContext(a, b) && chunks[a].segment == chunks[b].segment
    }
    /// Of the rows `candidates` (ascending) the last whose tokens sum to at most W.
    func text(_ candidates: [Int]) -> [UInt8] {
      let kept = candidates.indices.first {
        candidates[$0...].map { chunks[$0].tokens }.reduce(0, +) <= queryTokens
      }
      return kept.map { candidates[$0...].flatMap { chunks[$0].text } } ?? []
    }
    var requests: [EmbeddingRequest] = []
    for row in chunks.indices {
      let segmentRows = chunks.indices.filter { sameSegment($0, row) }
      let place = row - segmentRows[0]
      if queryProtocol != .none, place % rowsPerBlock == 0 {
        let rows =
          queryProtocol == .previous
          ? chunks.indices.filter { $0 < row && sameContext($0, row) }
          : Array(segmentRows[place...].prefix(rowsPerBlock))
        requests.append(.query(row: row, text: text(rows)))
      }
      requests.append(
        .key(
          document: chunks[row].document, segment: chunks[row].segment, text: chunks[row].text))
    }
    return requests
  }

  func testRandomStreamsEqualTheOracle() throws {
    var random = SplitMix64(seed: 7)
    for trial in 0..<600 {
      let chunkTokens = [1, 4, 16].randomElement(using: &random)!
      let rowsPerBlock = Int.random(in: 1...4, using: &random)
      let rowsPerSegment = rowsPerBlock * Int.random(in: 1...3, using: &random)
      let queryTokens = chunkTokens * Int.random(in: 1...6, using: &random)
      let stream = randomStream(
        &random, chunkTokens: chunkTokens, segmentTokens: rowsPerSegment * chunkTokens)
      for queryProtocol in QueryProtocol.allCases {
        var spans = try QuerySpans(
          protocol: queryProtocol, queryTokens: queryTokens,
          blockTokens: rowsPerBlock * chunkTokens, chunkTokens: chunkTokens,
          segmentTokens: rowsPerSegment * chunkTokens, crossesDocuments: stream.crossesDocuments)
        var requests: [EmbeddingRequest] = []
        for chunk in stream.chunks { try spans.append(chunk) { requests.append($0) } }
        try spans.finish { requests.append($0) }
        let expected = oracle(
          stream, queryProtocol, queryTokens: queryTokens, rowsPerBlock: rowsPerBlock)
        XCTAssertEqual(requests, expected, "trial \(trial), \(queryProtocol)")
        if requests != expected { return }
      }
    }
  }

  func testFirstBlockOfADocumentHasNoQueryText() throws {
    var spans = try QuerySpans(
      protocol: .previous, queryTokens: 8, blockTokens: 4, chunkTokens: 4, segmentTokens: 8,
      crossesDocuments: false)
    var texts: [[UInt8]] = []
    for document in [0, 0, 1] as [Int64] {
      let chunk = ChunkText(
        stream: 0, document: document, segment: 0, tokens: 4, text: Array("ab".utf8))
      try spans.append(chunk) { request in
        if case .query(_, let text) = request { texts.append(text) }
      }
    }
    XCTAssertEqual(texts, [[], Array("ab".utf8), []])
  }

  func testOptionsOutOfRangeAreNamed() {
    func message(_ query: Int, _ block: Int) -> String? {
      do {
        _ = try QuerySpans(
          protocol: .previous, queryTokens: query, blockTokens: block, chunkTokens: 128,
          segmentTokens: 1024, crossesDocuments: false)
        return nil
      } catch { return "\(error)" }
    }
    XCTAssertNil(message(256, 512))
    XCTAssertEqual(
      message(200, 512),
      "--query-tokens 200 is not a positive multiple of chunk_tokens 128:"
        + " a chunk stream holds text per chunk only")
    XCTAssertEqual(
      message(128, 64), "--block-tokens 64 is not a positive multiple of chunk_tokens 128")
    XCTAssertEqual(message(128, 384), "--block-tokens 384 does not divide segment_tokens 1024")
    XCTAssertEqual(message(128, 2048), "--block-tokens 2048 does not divide segment_tokens 1024")
    XCTAssertNotNil(message(0, 128))
    XCTAssertNotNil(message(Int.max, 128))
    XCTAssertEqual(message(1 << 40, 128), "--query-tokens 1099511627776 is more than 2147483647")
    XCTAssertEqual(QuerySpans.defaultQueryTokens(maximumLength: 256, chunkTokens: 100), 200)
    XCTAssertEqual(QuerySpans.defaultQueryTokens(maximumLength: 256, chunkTokens: 512), 512)
  }
}
