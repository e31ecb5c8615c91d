import Evaluation
import XCTest

final class StatisticsTests: XCTestCase {
  func testTwoClustersGiveTheirOwnMeans() throws {
    // A resample is one cluster twice (means 2 and 5, a quarter each) or both (3), so the 2.5 %
    // and 97.5 % points are the clusters' means.
    let clusters = [ClusterSum(sum: 4, tokens: 2), ClusterSum(sum: 5, tokens: 1)]
    XCTAssertEqual(Bootstrap().interval(of: clusters), Interval(lower: 2, upper: 5))
    XCTAssertEqual(
      Bootstrap(level: 0.1).interval(of: clusters), Interval(lower: 3, upper: 3))
  }

  func testOneClusterHasNoInterval() {
    XCTAssertNil(Bootstrap().interval(of: []))
    XCTAssertNil(Bootstrap().interval(of: [ClusterSum(sum: 4, tokens: 2), ClusterSum()]))
  }

  func testSeedDecides() {
    let clusters = (0..<20).map { ClusterSum(sum: Double($0 * $0 % 13), tokens: 1 + $0 % 4) }
    let first = Bootstrap(seed: 1).interval(of: clusters)
    XCTAssertEqual(first, Bootstrap(seed: 1).interval(of: clusters))
    XCTAssertNotEqual(first, Bootstrap(seed: 2).interval(of: clusters))
    XCTAssertNotNil(Bootstrap(seed: -5).interval(of: clusters))
  }

  /// 300 sets of 40 documents of unequal length with mean 3: about 95 % of the intervals hold 3.
  func testCoverage() throws {
    var state: UInt64 = 12345
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) / Double(1 << 53)
    }
    var held = 0
    var width = 0.0
    for set in 0..<300 {
      let clusters = (0..<40).map { _ in
        let tokens = 500 + Int(uniform() * 1000)
        let mean = 3 + (uniform() + uniform() + uniform() - 1.5)
        return ClusterSum(sum: mean * Double(tokens), tokens: tokens)
      }
      let interval = try XCTUnwrap(Bootstrap(resamples: 400, seed: set).interval(of: clusters))
      if interval.contains(3) { held += 1 }
      width += interval.upper - interval.lower
    }
    XCTAssertGreaterThan(held, 300 * 88 / 100)
    XCTAssertLessThan(held, 300 * 99 / 100)
    // Deviation of a document ½, of the mean of 40 about 0.5 / √40 × 1.04: 3.92 of it is 0.32.
    XCTAssertEqual(width / 300, 0.32, accuracy: 0.04)
  }
}
