import Embedding
import Indexing
import Retrieval
import TestSupport
import XCTest

final class RetrievalTests: XCTestCase {
  private let document = RecallDocument(
    tokens: Array(0..<11), segmentTokens: 4, chunkTokens: 2)

  private func decode(_ ids: ArraySlice<Int32>) -> [UInt8] { ids.map { UInt8($0) } }

  func testCutsSegmentsIntoChunks() {
    XCTAssertEqual(document.segments.map(\.firstRow), [0, 2, 4])
    XCTAssertEqual(document.segments.map(\.chunkLengths), [[2, 2], [2, 2], [2, 1]])
    XCTAssertEqual(document.segments.flatMap(\.tokens), Array(0..<11))
    XCTAssertEqual(document.prompt([7]).firstRow, 6)
    XCTAssertEqual(RecallDocument.rows(holding: 3..<4, chunkTokens: 2), 1..<2)
    XCTAssertEqual(RecallDocument.rows(holding: 3..<7, chunkTokens: 2), 1..<4)
    let empty = RecallDocument(tokens: [], segmentTokens: 4, chunkTokens: 2)
    XCTAssertEqual(empty.segments.count, 0)
    XCTAssertEqual(empty.prompt([7]).firstRow, 0)
  }

  func testQueries() {
    func queries(_ query: QueryProtocol) -> [[UInt8]] {
      document.texts(query: query, queryTokens: 3, prompt: [20, 21, 22, 23], decode: decode)
        .map(\.query)
    }
    XCTAssertEqual(queries(.current), [[1, 2, 3], [5, 6, 7], [8, 9, 10], [21, 22, 23]])
    XCTAssertEqual(queries(.previous), [[], [1, 2, 3], [5, 6, 7], [21, 22, 23]])
    XCTAssertEqual(queries(.none), [[], [], [], [21, 22, 23]])
    let texts = document.texts(query: .none, queryTokens: 3, prompt: [1], decode: decode)
    XCTAssertEqual(
      texts.map(\.chunks), [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10]], [[]]])
  }

  /// What the controls read, and that the prompt asks where the first segment cannot.
  func testControls() throws {
    let texts = document.texts(query: .previous, queryTokens: 3, prompt: [1], decode: decode)
    func reads(_ choice: DocumentPlanner.Choice, capacity: Int = 100) throws -> [[Int]] {
      try DocumentPlanner(
        choice: choice, topK: 3, capacity: capacity, eviction: .fifo, retriever: nil, threads: 1
      ).blocks(of: texts, seed: 1).map(\.neighbours)
    }
    XCTAssertEqual(try reads(.all), [[], [0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]])
    XCTAssertEqual(try reads(.recent), [[], [0, 1], [1, 2, 3], [3, 4, 5]])
    // Four of capacity two: the three oldest go.
    XCTAssertEqual(try reads(.all, capacity: 2), [[], [0, 1], [3], [5]])
    let random = try reads(.random)
    XCTAssertEqual(random.map(\.count), [0, 2, 3, 3])
    XCTAssertNotEqual(random[3], [3, 4, 5])
  }

  /// The retriever finds the chunk that speaks of what the prompt asks.
  func testNearest() throws {
    let retriever = try Retriever(
      folder: try cachedModel("minilm/modules.json").replacing(
        "/modules.json", with: ""))
    let texts = [
      "The harbour was full of ships.", "Her birthday is on the third of May.",
      "Bread is baked from flour and water.",
    ].map { SegmentText(chunks: [Array($0.utf8)], query: Array($0.utf8)) }
    let prompt = SegmentText(chunks: [[]], query: Array("When was she born?".utf8))
    let planner = DocumentPlanner(
      choice: .nearest, topK: 1, capacity: 100, eviction: .none, retriever: retriever, threads: 2)
    let blocks = try planner.blocks(of: texts + [prompt], seed: 0)
    XCTAssertEqual(blocks.map(\.row), [0, 1, 2, 3])
    XCTAssertEqual(blocks[0].neighbours, [])
    XCTAssertEqual(blocks[3].neighbours, [1])
    // Asked again of known texts in another order.
    let again = try planner.blocks(of: texts.reversed() + [prompt], seed: 0)
    XCTAssertEqual(again[3].neighbours, [1])
    XCTAssertEqual(again[3].scores, blocks[3].scores)
    let other = try planner.blocks(of: [texts[1], texts[0], texts[2], prompt], seed: 0)
    XCTAssertEqual(other[3].neighbours, [0])
    XCTAssertEqual(other[1].neighbours, [0])
  }
}
