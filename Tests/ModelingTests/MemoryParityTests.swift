import Modeling
import XCTest

/// Retrieval attention and the memory it reads, against the published code run in float32.
final class MemoryParityTests: XCTestCase {
  func testZeroPositions() throws { try check("memlong-zero", ["memlong-zero"]) }

  /// The published code turns the shared keys once more in every retrieval layer. Its authors describe
  /// one turn, for which the fixture has logits from step 2 on and losses for all steps.
  func testContinualPositions() throws {
    try check("memlong-continual", ["memlong-zero"], loss: "loss_fixed") { step in
      step == 0 ? "logits" : step == 1 ? nil : "logits_fixed"
    }
  }

  func testGate() throws { try check("memlong-gate", ["memlong-gate", "memlong-zero"]) }

  /// The memory layer (1) does not retrieve; chunks are 24, 24 and 16 tokens.
  func testGateWithMemoryLayerOutside() throws {
    try check(
      "memlong-gate-memlayer-outside",
      ["memlong-gate-memlayer-outside", "memlong-gate", "memlong-zero"])
  }

  /// The published default: memory in bfloat16 under a float32 model.
  func testBrainFloatMemory() throws {
    let lanes = try check(
      "memlong-bf16mem", ["memlong-zero"], tolerance: 1e-3, memory: nil
    ) { $0 == 0 ? nil : "logits" }
    for lane in lanes {
      let pairs = lane.chunks.map { $0.expanded(slot: 0) }
      for (name, ours) in [
        ("mem_keys", pairs.flatMap(\.keys)), ("mem_values", pairs.flatMap(\.values)),
      ] {
        let theirs = try lane.storedMemory("step2.\(name)", 0..<192)
        // Float32 sums that differ by 2e-5 may round to neighbours.
        for (x, y) in zip(ours, theirs) {
          XCTAssertEqual(x.bitPattern & 0xFFFF, 0, "not a bfloat16")
          XCTAssertLessThanOrEqual(abs(x - y), max(2e-5, abs(y) / 128), name)
        }
        XCTAssertLessThan(zip(ours, theirs).filter(!=).count, ours.count / 500, name)
      }
    }
  }

  /// Calls of one window each; every call's chunks are kept.
  @discardableResult
  private func check(
    _ name: String, _ weights: [String], tolerance: Float = 2e-4, loss lossName: String = "loss",
    memory prefix: String? = "last", logits logitsName: (Int) -> String? = { _ in "logits" }
  ) throws -> [FixtureLane] {
    let memory = try FixtureModel.publishedMemory(name)
    let model = try FixtureModel(name, weights: weights, memory: memory)
    let steps = (0...).prefix { model.has("step\($0).input_ids") }.count
    let rows = try XCTUnwrap(model.tensors.entry("step0.input_ids")).shape[0]
    var losses = [Double](repeating: 0, count: steps)
    let lanes = (0..<rows).map { FixtureLane(model, row: $0) }
    for lane in lanes {
      for step in 0..<steps {
        let tokens = try model.tokens("step\(step).input_ids", row: lane.row)
        let retrieved = try lane.retrieved(step: step).map { lane.chunks[$0] }
        XCTAssertEqual(retrieved.isEmpty, step == 0)
        let logits = lane.read(tokens, retrieving: retrieved)
        if let logitsName = logitsName(step) {
          try lane.expectLogits("step\(step).\(logitsName)", logits, tolerance: tolerance)
        }
        losses[step] += lane.loss(Segment.shifted(tokens)) / Double(rows * (tokens.count - 1))
        lane.chunks += lane.newChunks(tokens.count, size: memory.chunkTokens)
      }
      if prefix != nil { try lane.expectMemory("step\(steps - 1).", lane.chunks) }
    }
    for step in 0..<steps {
      let expected = Double(try model.floats("step\(step).\(lossName)")[0])
      XCTAssertEqual(losses[step], expected, accuracy: 1e-5, "step \(step)")
    }
    return lanes
  }

  /// A long input is read window by window, each window leaving one chunk, then the last context.
  func testLongInput() throws { try checkLongInput("memlong-longinput", rows: 2) }

  /// A last window of 10 tokens, a second input on the same memory, a retrieval layer (1) below the
  /// memory layer (3).
  func testRaggedLongInput() throws { try checkLongInput("memlong-longinput-ragged", rows: 1) }

  private func checkLongInput(_ name: String, rows: Int) throws {
    let memory = try FixtureModel.publishedMemory(name)
    let model = try FixtureModel(name, weights: ["memlong-zero"], memory: memory)
    let steps = (0...).prefix { model.has("step\($0).input_ids") }.count
    var losses = [Double](repeating: 0, count: steps)
    var scored = [Int](repeating: 0, count: steps)
    for row in 0..<rows {
      let lane = FixtureLane(model, row: row)
      for step in 0..<steps {
        let tokens = try model.tokens("step\(step).input_ids", row: row)
        let before = tokens.count - 64
        let starts = Array(stride(from: 0, to: before, by: memory.chunkTokens)) + [before]
        var logits: [Float] = []
        for (call, start) in starts.enumerated() {
          let end = call + 1 < starts.count ? starts[call + 1] : tokens.count
          let retrieved = try lane.retrieved(step: step, call: call).map { lane.chunks[$0] }
          let window = Array(tokens[start..<end])
          logits += lane.read(window, retrieving: retrieved)
          let last = end < tokens.count ? tokens[end] : -1
          losses[step] += lane.loss(Segment.shifted(window, last: last))
          lane.chunks += lane.newChunks(window.count, size: memory.chunkTokens)
        }
        scored[step] += tokens.count - 1
        try lane.expectLogits("step\(step).logits", logits)
      }
      try lane.expectMemory("step\(steps - 1).", lane.chunks)
    }
    for step in 0..<steps {
      let expected = Double(try model.floats("step\(step).loss")[0])
      XCTAssertEqual(losses[step] / Double(scored[step]), expected, accuracy: 1e-5)
    }
  }

  /// We do not pad: a row that the fixture pads is a shorter segment, whose logits and memory are
  /// those of the valid tokens. Padding that the fixture retrieves (masked out) is nothing to retrieve.
  func testPaddedRow() throws {
    let name = "memlong-padmask"
    let memory = try FixtureModel.publishedMemory(name)
    let model = try FixtureModel(name, weights: ["memlong-zero"], memory: memory)
    var (losses, scored) = ([0.0, 0, 0], [0, 0, 0])
    for row in 0..<2 {
      let lane = FixtureLane(model, row: row)
      // The fixture's chunk numbers; nil for a chunk of padding alone.
      var slots: [MemoryChunk?] = []
      for step in 0..<3 {
        let padded = try model.tokens("step\(step).input_ids", row: row)
        let valid = try model.integers("step\(step).attention_mask", row: row).reduce(0, +)
        XCTAssertEqual(valid, step == 0 && row == 1 ? 44 : 64)
        let tokens = Array(padded[..<valid])
        let logits = lane.read(
          tokens, retrieving: try lane.retrieved(step: step).compactMap { slots[$0] })
        try lane.expectLogits("step\(step).logits", logits)
        losses[step] += lane.loss(Segment.shifted(tokens))
        scored[step] += tokens.count - 1
        let chunks = lane.newChunks(valid, size: 16)
        try lane.expectMemory("step2.", chunks, offset: step * 64)
        slots += chunks.map { $0 } + Array(repeating: nil, count: 4 - chunks.count)
      }
    }
    for step in 0..<3 {
      XCTAssertEqual(
        losses[step] / Double(scored[step]), Double(try model.floats("step\(step).loss")[0]),
        accuracy: 1e-5)
    }
    // The mask that is added to memory logits: −∞ on exactly the tokens that we do not have.
    let masks = try model.floats("step2.mem_masks", row: 1)
    XCTAssertEqual(masks.indices.filter { masks[$0] < -1e30 }, Array(44..<64))
  }
}
