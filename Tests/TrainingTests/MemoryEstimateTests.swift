import Foundation
import Modeling
import TestSupport
import Training
import Weights
import XCTest

/// The estimate against what the trainer really takes.
final class MemoryEstimateTests: XCTestCase {
  func testTrainedValuesOfEveryMode() throws {
    for mode in TrainingMode.allCases {
      for extras in [[], [.norm, .gate], AdapterConfiguration.Extra.allCases] {
        var run = SmallRun(lanes: 1)
        run.mode = mode
        run.extras = extras
        let estimate = try run.estimate(bankChunks: 0)
        XCTAssertEqual(
          estimate.trainedValues, try run.start().trainedValues, "\(mode.rawValue) \(extras)")
      }
    }
  }

  func testBankPeakIsThePlans() throws {
    let run = SmallRun(lanes: 2)
    let trainer = try run.start()
    while try trainer.step() != nil {}
    let peaks = trainer.state.lanes.map(\.peakChunks)
    XCTAssertEqual(peaks, run.laneRows.map { run.plan.peakChunks(in: $0) })
    XCTAssertGreaterThan(peaks.min() ?? 0, 3)
  }

  func testWiderMemoryAndMoreChunksTakeMore() throws {
    var run = SmallRun(lanes: 1)
    func bank(_ chunks: Int) throws -> Int {
      try run.estimate(bankChunks: chunks).parts.first { $0.name == "memory bank" }?.bytes ?? 0
    }
    // 16 tokens · 64 numbers · (keys and values) · 4 bytes, and a little.
    let wide = try bank(100)
    XCTAssertEqual(Double(wide), 100 * 16 * 64 * 2 * 4, accuracy: 0.05 * Double(wide))
    run.precision = .bf16
    XCTAssertLessThan(try bank(100), wide * 6 / 10)
    XCTAssertLessThanOrEqual(try bank(.max), 1 << 56)
  }
}
