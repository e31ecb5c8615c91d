import Indexing
import XCTest

/// Each rule on a stream small enough to follow by hand.
final class PlannerRuleTests: XCTestCase {
  /// Chunks with the given one-component keys; the first chunk of each segment has query 1.
  private func stream(
    _ keys: [Float], perSegment: Int, document: (Int) -> Int = { _ in 0 }
  ) -> [StreamChunk] {
    keys.enumerated().map { row, key in
      StreamChunk(
        key: [key], query: row % perSegment == 0 ? [1] : nil, document: document(row),
        segment: row / perSegment)
    }
  }

  func testFifoEvictsTheOldest() throws {
    let settings = MemorySettings(topK: 1, capacity: 4, eviction: .fifo)
    let blocks = try plan(settings, stream(Array(repeating: 1, count: 9), perSegment: 3))
    // n = 3; then 6 > 4, d = 6 − 2; then 2 + 3 = 5 > 4, d = 5 − 2.
    XCTAssertEqual(blocks.map(\.evicted), [[], [0, 1, 2, 3], [4, 5, 6]])
    XCTAssertEqual(blocks.map(\.live), [0, 3, 2])
  }

  func testLRUCountsRetrievalAndElseEntry() throws {
    let settings = MemorySettings(topK: 1, capacity: 4, eviction: .lru)
    var chunks = stream([1, 1, 1, 1, 1], perSegment: 1)
    // Keys are positive: a positive query finds the oldest, row 0, by the tie rule. Row 1 is found
    // by block 3 alone.
    chunks[1].key = [-1]
    chunks[3].query = [-1]
    let blocks = try plan(settings, chunks)
    XCTAssertEqual(blocks.map(\.neighbours), [[], [0], [0], [1], [0]])
    // Order of last use: 2 (entry), 1 (block 3), 3 (entry), 0 (block 4), 4 (entry); d = 5 − 2.
    XCTAssertEqual(blocks.last?.evicted, [1, 2, 3])
  }

  func testCounterEvictsTheOldestTenthThenTheLeastRetrieved() throws {
    let settings = MemorySettings(topK: 2, capacity: 10, eviction: .counter)
    var chunks = stream(Array(repeating: 1, count: 17), perSegment: 11)
    for row in 11..<17 { chunks[row].segment = 1 }
    let blocks = try plan(settings, chunks)
    // n = 11, d = 6: row 0 as the oldest tenth, then of 1…9 with counter 0 the five oldest.
    XCTAssertEqual(blocks[0].evicted, [0, 1, 2, 3, 4, 5])
    // Rows 6 and 7 have been retrieved; 6 is now the oldest tenth and goes nevertheless.
    XCTAssertEqual(blocks[1].neighbours, [6, 7])
    XCTAssertEqual(blocks[1].live, 5)
    XCTAssertEqual(blocks[1].evicted, [6, 8, 9, 10, 11, 12])
  }

  func testCounterProtectsTheNewestTenth() throws {
    let settings = MemorySettings(topK: 8, capacity: 9, eviction: .counter)
    let chunks = stream([-1, 1, 1, 1, 1, 1, 1, 1, 1, 1], perSegment: 9)
    let blocks = try plan(settings, chunks)
    XCTAssertEqual(blocks[1].neighbours, Array(1...8))
    // n = 10, d = 6: row 9 has the smallest counter and is the newest tenth.
    XCTAssertEqual(blocks[1].evicted, [0, 1, 2, 3, 4, 5])
  }

  /// Only a segment far larger than the memory leaves the middle short: ⌊n/10⌋ > ⌊C/2⌋.
  func testCounterNeverTakesTheNewestTenthEvenWhenTheMiddleIsShort() throws {
    let settings = MemorySettings(topK: 1, capacity: 1, eviction: .counter)
    let ten = try plan(settings, stream(Array(repeating: 1, count: 10), perSegment: 10))
    XCTAssertEqual(ten[0].evicted, Array(0..<9))  // d = 10, row 9 stays
    let nine = try plan(settings, stream(Array(repeating: 1, count: 9), perSegment: 9))
    XCTAssertEqual(nine[0].evicted, Array(0..<9))  // ⌊9/10⌋ = 0 protected
    // With a memory of one segment or more, exactly d go, whatever n can be.
    for capacity in 1...300 {
      for n in (capacity + 1)...(2 * capacity) {
        XCTAssertLessThanOrEqual(n - capacity / 2 - n / 10, n - 2 * (n / 10))
      }
    }
  }

  func testNoEvictionIsUnbounded() throws {
    let settings = MemorySettings(topK: 3, capacity: 1, eviction: .none)
    let blocks = try plan(settings, stream(Array(repeating: 1, count: 40), perSegment: 4))
    XCTAssertEqual(blocks.map(\.live), Array(stride(from: 0, to: 40, by: 4)))
    XCTAssertTrue(blocks.allSatisfy { $0.evicted.isEmpty })
    XCTAssertEqual(blocks.last?.neighbours, [0, 1, 2])
  }

  func testCountersAreThoseOfTheirLifeOnly() throws {
    // The second document's rows start at counter 0 and find nothing of the first.
    let chunks = stream(Array(repeating: 1, count: 8), perSegment: 2) { $0 / 4 }
    let reset = try plan(MemorySettings(topK: 2, capacity: 9, reset: .document), chunks)
    XCTAssertEqual(reset.map(\.neighbours), [[], [0, 1], [], [4, 5]])
    XCTAssertTrue(reset.allSatisfy { $0.evicted.isEmpty })
    let never = try plan(MemorySettings(topK: 2, capacity: 9, reset: .never), chunks)
    XCTAssertEqual(never.map(\.live), [0, 2, 4, 6])
  }

  func testBlocksOfASegmentSeeCompletedSegmentsOnly() throws {
    var chunks = stream(Array(repeating: 1, count: 12), perSegment: 2)
    for row in chunks.indices { chunks[row].segment = row / 6 }
    let blocks = try plan(MemorySettings(topK: 1, capacity: 8, eviction: .counter), chunks)
    XCTAssertEqual(blocks.map(\.row), [0, 2, 4, 6, 8, 10])
    XCTAssertEqual(blocks.map(\.live), [0, 0, 0, 6, 6, 6])
    XCTAssertEqual(blocks.map(\.neighbours), [[], [], [], [0], [0], [0]])
    // n = 12, d = 8; the eviction stands with the segment's last block.
    XCTAssertEqual(blocks.map(\.evicted), [[], [], [], [], [], Array(0..<8)])
  }

  func testZeroQueryRetrievesNothingWhateverTheSelection() throws {
    for selection in Selection.allCases {
      var chunks = stream(Array(repeating: 1, count: 4), perSegment: 1)
      chunks[2].query = [-0.0]
      let blocks = try plan(MemorySettings(topK: 2, capacity: 9, selection: selection), chunks)
      XCTAssertEqual(blocks[2].neighbours, [], "\(selection)")
      XCTAssertEqual(blocks[2].live, 2)
      XCTAssertEqual(blocks[3].neighbours.count, 2)
    }
  }

  func testRecentTakesTheNewest() throws {
    let chunks = stream([5, 4, 3, 2], perSegment: 1)
    let blocks = try plan(MemorySettings(topK: 2, capacity: 9, selection: .recent), chunks)
    XCTAssertEqual(blocks.map(\.neighbours), [[], [0], [0, 1], [1, 2]])
    XCTAssertEqual(blocks.last?.scores, [4, 3])
  }

  func testChunksThatTheContextHoldsAreNotInMemory() throws {
    let chunks = stream([5, 4, 3, 2], perSegment: 1)
    let settings = MemorySettings(topK: 2, capacity: 9, selection: .recent, heldBack: 1)
    XCTAssertEqual(try plan(settings, chunks).map(\.neighbours), [[], [], [0], [0, 1]])
  }

  func testNewestChunksAreReadBesideTheNearest() throws {
    let chunks = stream([5, 4, 3, 2, 1], perSegment: 1)
    let settings = MemorySettings(topK: 2, capacity: 9, alwaysRecent: 1)
    let blocks = try plan(settings, chunks)
    XCTAssertEqual(blocks.map(\.neighbours), [[], [0], [0, 1], [0, 2], [0, 3]])
  }

  /// A draw knows its seed, its block and the chunks: what was read before does not matter.
  func testRandomIsIndependentOfHistoryAndUniform() throws {
    var chunks = stream(Array(repeating: 1, count: 4000), perSegment: 1)
    for row in 0..<10 { chunks[row].segment = 0 }
    for row in 10..<chunks.count { chunks[row].segment = 1 }
    let settings = MemorySettings(topK: 3, capacity: 10, selection: .random, seed: 7)
    let blocks = try plan(settings, chunks)
    var counts = Array(repeating: 0, count: 10)
    for block in blocks.dropFirst(10) {
      XCTAssertEqual(block.neighbours.count, 3)
      for row in block.neighbours { counts[row] += 1 }
    }
    // 3990 draws of 3 in 10: mean 1197, deviation 29.
    for count in counts { XCTAssertEqual(Double(count), 1197, accuracy: 29 * 4.5) }
    var fewer = chunks
    for row in 10..<20 { fewer[row].query = nil }
    XCTAssertEqual(Array(try plan(settings, fewer).suffix(3980)), Array(blocks.suffix(3980)))
    var other = settings
    other.seed = 8
    XCTAssertNotEqual(try plan(other, chunks).map(\.neighbours), blocks.map(\.neighbours))
  }

  func testInnerProductsThatAreNoNumbersAreRefused() throws {
    let settings = MemorySettings(topK: 1, capacity: 9)
    for bad in [Float.nan, .infinity] {
      XCTAssertThrowsError(try plan(settings, stream([1, bad, 1, 1], perSegment: 2))) {
        XCTAssertEqual(
          "\($0)",
          "row 2: the query's inner product with the key of row 1 is not a finite number")
      }
    }
  }

  func testEmptyStream() throws {
    XCTAssertEqual(try plan(MemorySettings(topK: 1, capacity: 1), []), [])
  }
}
