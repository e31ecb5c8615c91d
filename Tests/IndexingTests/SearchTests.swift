import Indexing
import Kernels
import TestSupport
import XCTest

final class SearchTests: XCTestCase {
  private func vectors(_ count: Int, _ dimension: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count * dimension).map { _ in Float.random(in: -1...1, using: &random) }
  }

  private func search(
    _ keys: [Float], _ queries: [Float], dimension: Int, topK: Int, batch: Int, threads: Int = 1
  ) throws -> [ExactSearch.Answer] {
    var search = ExactSearch(
      queries: queries, dimension: dimension, topK: topK, workers: Workers(threads: threads))
    try keys.withUnsafeBufferPointer { keys in
      let count = keys.count / dimension
      for row in stride(from: 0, to: count, by: batch) {
        let rows = row..<min(row + batch, count)
        try search.offer(
          UnsafeBufferPointer(
            rebasing: keys[rows.lowerBound * dimension..<rows.upperBound * dimension]),
          firstRow: row)
      }
    }
    return search.answers
  }

  func testFindsWhatSortingFinds() throws {
    for (dimension, topK) in [(1, 3), (5, 1), (33, 8), (100, 200)] {
      let keys = vectors(150, dimension, seed: 1)
      let queries = vectors(6, dimension, seed: 2)
      let answers = try search(keys, queries, dimension: dimension, topK: topK, batch: 37)
      for (query, answer) in answers.enumerated() {
        let products = (0..<150).map { row in
          (0..<dimension).reduce(0.0) {
            $0 + Double(keys[row * dimension + $1]) * Double(queries[query * dimension + $1])
          }
        }
        let order = products.indices.sorted { products[$0] > products[$1] }
        XCTAssertEqual(answer.neighbours, Array(order.prefix(topK)))
        for (row, score) in zip(answer.neighbours, answer.scores) {
          XCTAssertEqual(Double(score), products[row], accuracy: 1e-5)
        }
      }
    }
  }

  func testTiesGoToTheOlderAcrossBatchesAndZeroFindsNothing() throws {
    let keys: [Float] = [1, 2, 1, 2, 2, 0]
    let answers = try search(keys, [1, 0, -1], dimension: 1, topK: 4, batch: 2)
    XCTAssertEqual(answers.map(\.neighbours), [[1, 3, 4, 0], [], [5, 0, 2, 1]])
  }

  /// The same bits for any batch and any thread count, also in the planner's sums.
  func testBatchesAndThreadsDoNotChangeABit() throws {
    let dimension = 100
    let keys = vectors(3000, dimension, seed: 3)
    let queries = vectors(3, dimension, seed: 4)
    let one = try search(keys, queries, dimension: dimension, topK: 9, batch: 3000)
    for (batch, threads) in [(1, 1), (7, 2), (3000, 2), (3000, 5), (999, 3)] {
      let other = try search(
        keys, queries, dimension: dimension, topK: 9, batch: batch, threads: threads)
      XCTAssertEqual(other, one)
    }
    var chunks = (0..<3000).map { row in
      StreamChunk(
        key: Array(keys[row * dimension..<(row + 1) * dimension]), query: nil, document: 0,
        segment: 0)
    }
    for (query, row) in [2990, 2993, 2996].enumerated() {
      chunks[row].query = Array(queries[query * dimension..<(query + 1) * dimension])
    }
    for row in 2990..<3000 { chunks[row].segment = 1 }
    let settings = MemorySettings(topK: 9, capacity: 1, eviction: .none)
    let blocks = try plan(settings, chunks)
    XCTAssertEqual(try plan(settings, chunks, threads: 4), blocks)
    for (query, block) in blocks.enumerated() {
      let held = try search(
        Array(keys.prefix(2990 * dimension)), queries, dimension: dimension, topK: 9, batch: 500)
      let pairs = zip(held[query].neighbours, held[query].scores).sorted { $0.0 < $1.0 }
      XCTAssertEqual(block.neighbours, pairs.map(\.0))
      XCTAssertEqual(block.scores, pairs.map(\.1))
    }
  }

  /// Queries of an unbounded memory are multiplied together; what is wrong is that of the first.
  func testNotANumberInAnUnboundedPlan() {
    var chunks = (0..<100).map { StreamChunk(key: [1], query: [1], document: 0, segment: $0) }
    chunks[50].key = [.infinity]
    chunks[70].query = [.nan]
    let settings = MemorySettings(topK: 2, capacity: 1, eviction: .none)
    XCTAssertThrowsError(try plan(settings, chunks)) {
      XCTAssertEqual(
        "\($0)",
        "row 51: the query's inner product with the key of row 50 is not a finite number")
    }
  }

  /// More blocks than are multiplied together, over documents that empty the memory.
  func testUnboundedPlansAgreeWithSearches() throws {
    let dimension = 19
    let keys = vectors(300, dimension, seed: 5)
    let chunks = (0..<300).map { row in
      let key = Array(keys[row * dimension..<(row + 1) * dimension])
      return StreamChunk(
        key: key, query: row % 2 == 0 ? key.reversed() : nil, document: row / 180,
        segment: row / 4)
    }
    let settings = MemorySettings(topK: 5, capacity: 1, eviction: .none)
    for block in try plan(settings, chunks) {
      let first = block.row / 180 * 180
      let live = block.row / 4 * 4 - first
      let query = Array(keys[block.row * dimension..<(block.row + 1) * dimension].reversed())
      let found = try search(
        Array(keys[first * dimension..<(first + live) * dimension]), query, dimension: dimension,
        topK: 5, batch: 64)[0]
      XCTAssertEqual(block.live, live)
      XCTAssertEqual(block.neighbours, found.neighbours.map { $0 + first }.sorted())
    }
  }

  func testNotANumberIsRefused() {
    XCTAssertThrowsError(try search([1, .nan], [1], dimension: 1, topK: 1, batch: 1)) {
      XCTAssertEqual(
        "\($0)", "query 0: its inner product with the key of row 1 is not a finite number")
    }
  }
}
