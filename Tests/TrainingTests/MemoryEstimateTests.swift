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

  func testACacheTakesThePlaceOfTheFrozenLayers() throws {
    let run = SmallRun(lanes: 1)
    func part(_ name: String, _ estimate: MemoryEstimate) -> Int? {
      estimate.parts.first { $0.name == name }?.bytes
    }
    let whole = try run.estimate(bankChunks: 0)
    XCTAssertNil(part("cache", whole))
    func frozen(_ layer: Int, isWritten: Bool) throws -> MemoryEstimate {
      try run.estimate(
        bankChunks: 0, frozen: .init(layer: layer, precision: .f32, isWritten: isWritten))
    }
    let (one, two) = (try frozen(1, isWritten: true), try frozen(2, isWritten: true))
    let weights = try [whole, one, two].map { try XCTUnwrap(part("weights", $0)) }
    XCTAssertEqual(weights[1] - weights[2], try run.layerBytes())
    XCTAssertGreaterThanOrEqual(weights[0] - weights[1], try run.layerBytes())
    XCTAssertGreaterThan(try XCTUnwrap(part("cache", two)), 0)
    // The run that writes the cache holds the whole model for a while.
    let writing = try frozen(2, isWritten: false)
    XCTAssertGreaterThanOrEqual(writing.total, two.total)
    XCTAssertGreaterThan(writing.total, weights[0])
  }

  /// Keys and values of a lane: as many tokens as a context spans, of the layers that are run.
  func testContextsOfTheLanes() throws {
    var run = SmallRun(lanes: 2)
    func context(_ frozen: MemoryEstimate.Frozen? = nil) throws -> Int? {
      try run.estimate(bankChunks: 0, frozen: frozen).parts.first { $0.name == "context" }?.bytes
    }
    XCTAssertNil(try context())
    func scratch() throws -> Int? {
      try run.estimate(bankChunks: 0).parts.first { $0.name == "scratch" }?.bytes
    }
    let alone = try XCTUnwrap(scratch())
    run.context = SlidingContext(tokens: 52, sinks: 2)
    let decoder = try run.start().decoder
    func cache(_ tokens: Int, from layer: Int = 0) throws -> Int {
      let layers = layer..<decoder.layers.count
      let bytes = LocalCache.bytes(decoder.configuration, capacity: tokens, layers: layers)
      return 2 * (try XCTUnwrap(bytes) + tokens * decoder.configuration.headSize * 4)
    }
    XCTAssertEqual(try context(), try cache(52))
    XCTAssertEqual(
      try context(.init(layer: 2, precision: .f32, isWritten: true)), try cache(52, from: 2))
    XCTAssertGreaterThan(try XCTUnwrap(scratch()), alone)
    // No document is longer.
    run.context?.tokens = 1 << 30
    XCTAssertEqual(try context(), try cache(60))
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

  /// What lies in a file is no memory that the run needs.
  func testABankTakesItsShareOfRAMAtMost() throws {
    let run = SmallRun(lanes: 1)
    let whole = try run.estimate(bankChunks: 100)
    let part = try run.estimate(bankChunks: 100, bankInRAM: 1000)
    XCTAssertEqual(part.parts.first { $0.name == "memory bank" }?.bytes, 1000)
    XCTAssertEqual(part.bankBytes, whole.bankBytes)
    XCTAssertEqual(whole.total - part.total, whole.bankBytes - 1000)
  }
}
