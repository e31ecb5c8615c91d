import Indexing
import XCTest

final class StatisticsTests: XCTestCase {
  func testDistribution() {
    var distribution = Distribution()
    for value in [0, 1, 1, 2, 3, 4, 7, 8, 100] { distribution.add(value) }
    distribution.add(5, times: 0)
    let summary = distribution.summary
    XCTAssertEqual(summary.count, 9)
    XCTAssertEqual(summary.mean, 14)
    XCTAssertEqual(summary.minimum, 0)
    XCTAssertEqual(summary.median, 3)
    XCTAssertEqual(summary.maximum, 100)
    XCTAssertEqual(summary.quantiles["p25"], 1)  // rank 3 of 9
    XCTAssertEqual(summary.quantiles["p99"], 100)
    XCTAssertEqual(summary.histogram.map(\.from), [0, 1, 2, 4, 8, 16, 32, 64])
    XCTAssertEqual(summary.histogram.map(\.to), [0, 1, 3, 7, 15, 31, 63, 127])
    XCTAssertEqual(summary.histogram.map(\.count), [1, 2, 2, 2, 1, 0, 0, 1])
  }

  func testDistributionOfNothingAndOfTheLargest() {
    let nothing = Distribution().summary
    XCTAssertNil(nothing.mean)
    XCTAssertNil(nothing.median)
    XCTAssertEqual(nothing.histogram, [])
    var huge = Distribution()
    huge.add(.max)
    XCTAssertEqual(huge.summary.histogram.last?.to, .max)
    XCTAssertEqual(huge.summary.histogram.last?.count, 1)
  }

  private let blocks = [
    PlannedBlock(row: 0, neighbours: [], scores: [], live: 0, evicted: []),
    PlannedBlock(row: 2, neighbours: [0, 1], scores: [1, 1], live: 2, evicted: [1, 2]),
    PlannedBlock(row: 4, neighbours: [0], scores: [1], live: 2, evicted: [5]),
    PlannedBlock(row: 8, neighbours: [0], scores: [1], live: 3, evicted: []),
  ]

  func testPlanStatistics() {
    var statistics = PlanStatistics()
    for block in blocks { statistics.add(block) }
    let summary = statistics.summary()
    XCTAssertEqual(summary.rows, 4)
    XCTAssertEqual(summary.retrievingRows, 3)
    XCTAssertEqual(summary.hits, 4)
    XCTAssertEqual(summary.hitAge.mean, 15.0 / 4)  // 2 1 4 8
    XCTAssertEqual(summary.hitAge.median, 2)
    XCTAssertEqual(summary.chunks, 8)
    XCTAssertEqual(summary.neverRetrieved, 6)
    XCTAssertEqual(summary.neverRetrievedShare, 0.75)
    XCTAssertEqual(summary.hitsPerChunk.maximum, 3)
    XCTAssertEqual(summary.hitsPerChunk.count, 8)
    XCTAssertEqual(summary.live.maximum, 3)
    XCTAssertEqual(summary.evictions, 2)
    XCTAssertEqual(summary.evictedRows, 3)
    XCTAssertEqual(summary.evictedAge.mean, 1.0 / 3)  // 1 0 0
    XCTAssertNil(summary.regret)
  }

  func testRegretCountsWantedRowsThatWereEvictedBefore() throws {
    let wanted = [[], [0, 1], [1, 2, 3], [0, 5]]
    var regret = EvictionRegret()
    for (block, neighbours) in zip(blocks, wanted) {
      var unbounded = block
      unbounded.neighbours = neighbours
      try regret.add(planned: block, unbounded: unbounded)
    }
    let summary = regret.summary
    XCTAssertEqual(summary.wanted, 7)
    XCTAssertEqual(summary.evicted, 3)  // 1 and 2 at row 4, 5 at row 8
    XCTAssertEqual(summary.evictedShare, 3.0 / 7)
    XCTAssertEqual(summary.blocks, 2)
    XCTAssertEqual(summary.sinceEviction.mean, 8.0 / 3)  // 2 2 4
  }

  func testRegretRefusesAPlanOfOtherBlocks() {
    var regret = EvictionRegret()
    XCTAssertThrowsError(try regret.add(planned: blocks[0], unbounded: blocks[1])) {
      XCTAssertEqual("\($0)", "the plan has a block at row 0, the embeddings at row 2")
    }
  }

  func testTableNamesEveryPart() {
    var statistics = PlanStatistics()
    for block in blocks { statistics.add(block) }
    let lines = statistics.summary(regret: EvictionRegret().summary).table.split(separator: "\n")
    XCTAssertEqual(lines[0], "blocks                                   4  retrieving 3")
    XCTAssertEqual(
      lines[2],
      "hit age (chunks)                  mean 3.8  median 2  p05 1  p95 8  max 8")
    XCTAssertEqual(lines[4], "never retrieved                          6  75.00 %")
    XCTAssertTrue(
      lines.contains("               1           1  ########################################"))
    // Nothing to tell is told as such.
    XCTAssertTrue(
      PlanStatistics().summary().table.contains("hit age (chunks)                         -"))
  }
}
