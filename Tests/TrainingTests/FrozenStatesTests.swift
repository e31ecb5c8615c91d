import Modeling
import TestSupport
import Training
import XCTest

/// Training that starts at the first trained layer, against training that computes every layer.
final class FrozenStatesTests: XCTestCase {
  func testStatesThatAreNotRoundedChangeNothing() throws {
    for source in [MemoryConfiguration.Source.shared, .own] {
      for mode in [TrainingMode.loraFreeze, .partialLoRA, .partialFreeze] {
        var run = SmallRun(lanes: 2)
        run.mode = mode
        run.source = source
        try assertSame(
          try train(run, states: nil), try train(run, states: .f32), "\(mode) \(source)")
      }
    }
  }

  /// The prefix reads in documents' order what the lanes read in theirs.
  func testBesideAContext() throws {
    for mode in [TrainingMode.loraFreeze, .partialFreeze] {
      var run = SmallRun(lanes: 2)
      run.mode = mode
      run.source = .own
      run.context = SlidingContext(tokens: 70, sinks: 3)
      run.documentSegments = 4
      let beside = try train(run, states: .f32)
      try assertSame(try train(run, states: nil), beside, "\(mode) in a context")
      run.context = nil
      XCTAssertNotEqual(try train(run, states: .f32).losses, beside.losses)
    }
  }

  func testNarrowMemory() throws {
    var run = SmallRun(lanes: 1)
    run.mode = .loraFreeze
    run.precision = .bf16
    try assertSame(try train(run, states: nil), try train(run, states: .f32), "bf16 memory")
  }

  func testRoundedStatesAreNear() throws {
    var run = SmallRun(lanes: 1)
    run.mode = .loraFreeze
    let (exact, rounded) = (try train(run, states: nil), try train(run, states: .bf16))
    XCTAssertNotEqual(exact.losses, rounded.losses)
    for (a, b) in zip(exact.losses, rounded.losses) { XCTAssertEqual(a, b, accuracy: 0.01) }
  }

  func testStatesOfAnotherPlanAreRefused() throws {
    var run = SmallRun(lanes: 1)
    run.mode = .loraFreeze
    let trainer = try run.start { _, segmentTokens, decoder in
      FrozenPrefix(
        decoder, below: 2, plan: RetrievalPlan(), segmentTokens: segmentTokens, precision: .f32)
    }
    XCTAssertThrowsError(try trainer.step()) {
      XCTAssert("\($0)".contains("no keys and values of chunk row"), "\($0)")
    }
  }

  private typealias Outcome = (losses: [Double], tensors: [(name: String, bits: [UInt32])])

  private func train(
    _ run: SmallRun, states precision: MemoryConfiguration.Precision?
  ) throws -> Outcome {
    let trainer =
      try precision.map { precision in
        try run.start { plan, segmentTokens, decoder in
          FrozenPrefix(
            decoder, below: 2, plan: plan, segmentTokens: segmentTokens, precision: precision,
            context: run.context, documentTokens: 1000)
        }
      } ?? run.start()
    var losses: [Double] = []
    while let report = try trainer.step() { losses.append(report.loss) }
    return (
      losses, trainer.stateTensors.map { ($0.name, $0.values.array.map(\.bitPattern)) }
    )
  }

  private func assertSame(_ one: Outcome, _ two: Outcome, _ name: String) throws {
    XCTAssertGreaterThan(one.losses.count, 3)
    XCTAssertEqual(one.losses, two.losses, name)
    for (a, b) in zip(one.tensors, two.tensors) {
      XCTAssertEqual(a.name, b.name)
      XCTAssert(a.bits == b.bits, "\(name): \(a.name)")
    }
  }
}
