import Indexing
import Kernels
import TestSupport
import XCTest

/// Batches as shards carry them, against the chunk-by-chunk planner.
final class BatchTests: XCTestCase {
  private let settings = MemorySettings(topK: 2, capacity: 5, eviction: .lru)

  private func plan(_ batches: [KeyBatch]) throws -> [PlannedBlock] {
    var blocks: [PlannedBlock] = []
    let planner = MemoryPlanner(settings, dimension: 2, workers: Workers(threads: 1)) {
      blocks.append($0)
    }
    for batch in batches { try planner.append(batch) }
    try planner.finish()
    return blocks
  }

  private func batch(
    _ rows: Range<Int>, of chunks: [StreamChunk], stream: Int = 0, isNumbered: Bool = true
  ) -> KeyBatch {
    let queryRows = rows.filter { chunks[$0].query != nil }
    return KeyBatch(
      keys: rows.flatMap { chunks[$0].key },
      documents: isNumbered ? rows.map { Int64(chunks[$0].document) } : nil,
      segments: isNumbered ? rows.map { Int32(chunks[$0].segment) } : nil,
      queryRows: queryRows, queries: queryRows.flatMap { chunks[$0].query! }, stream: stream)
  }

  /// Blocks of two chunks, segments of `perSegment`, documents of 12.
  private func chunks(_ count: Int, perSegment: Int) -> [StreamChunk] {
    var random = SplitMix64(seed: 5)
    return (0..<count).map { row in
      let vector = { [Float.random(in: -1...1, using: &random), 1] }
      return StreamChunk(
        key: vector(), query: row % 2 == 0 ? vector() : nil, document: row / 12,
        segment: row % 12 / perSegment)
    }
  }

  func testAnyBatchesGiveTheSamePlan() throws {
    let chunks = chunks(40, perSegment: 4)
    let expected = try IndexingTests.plan(settings, chunks)
    for size in [1, 3, 7, 40] {
      let batches = stride(from: 0, to: 40, by: size).map {
        batch($0..<min($0 + size, 40), of: chunks)
      }
      XCTAssertEqual(try plan(batches), expected)
    }
  }

  func testWithoutNumbersABlockBeginsASegmentAndAStreamADocument() throws {
    var chunks = chunks(24, perSegment: 2)
    chunks[12].query = nil  // a stream may begin before its first block
    let bare = try plan([
      batch(0..<5, of: chunks, isNumbered: false), batch(5..<12, of: chunks, isNumbered: false),
      batch(12..<24, of: chunks, stream: 1, isNumbered: false),
    ])
    XCTAssertEqual(bare, try IndexingTests.plan(settings, chunks))
  }

  func testStreamsHaveDocumentsOfTheirOwn() throws {
    var chunks = chunks(24, perSegment: 4)
    let expected = try IndexingTests.plan(settings, chunks)
    for row in chunks.indices { chunks[row].document = 0 }
    let blocks = try plan([batch(0..<12, of: chunks), batch(12..<24, of: chunks, stream: 1)])
    XCTAssertEqual(blocks, expected)
    XCTAssertEqual(blocks.first { $0.row == 12 }?.live, 0)
  }

  func testBlockRowOutsideTheBatchIsRefused() {
    var bad = batch(0..<4, of: chunks(4, perSegment: 4))
    bad.queryRows[1] = 4
    XCTAssertThrowsError(try plan([bad])) {
      XCTAssertEqual("\($0)", "a block begins at row 4, out of order or outside rows 0 to 4")
    }
  }

  func testCapacityIsWholeChunks() {
    XCTAssertEqual(MemorySettings.capacity(memoryTokens: 32768, chunkTokens: 128), 256)
    XCTAssertEqual(MemorySettings.capacity(memoryTokens: 255, chunkTokens: 128), 1)
    XCTAssertEqual(MemorySettings.capacity(memoryTokens: 127, chunkTokens: 128), 0)
  }
}
