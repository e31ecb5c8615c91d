import Kernels
import Modeling
import XCTest

/// Logits and losses against transformers 4.46 in float32.
final class LlamaParityTests: XCTestCase {
  func testMultiHeadAttention() throws { try check("llama-mha") }

  func testGroupedQueryAttention() throws { try check("llama-gqa") }

  func testTiedEmbeddings() throws { try check("llama-tied") }

  func testBiases() throws { try check("llama-bias") }

  func testNarrowWeightsGiveTheSameLogits() throws {
    try check("llama-gqa", residency: .stored)
    try check("llama-bias", residency: .stored)
  }

  func testLinearScaling() throws { try check("llama-rope-linear") }

  /// 48 tokens of a model of 32 positions: the base grows with the length.
  func testDynamicScaling() throws { try check("llama-rope-dynamic") }

  /// 24 tokens, for which the base stays.
  func testDynamicScalingOfShortInput() throws {
    try check("llama-rope-dynamic-short", weights: "llama-rope-dynamic")
  }

  func testYaRN() throws { try check("llama-rope-yarn") }

  func testYaRNWithParameters() throws { try check("llama-rope-yarn-params") }

  func testLlama3Scaling() throws { try check("llama-rope-llama3") }

  private func check(
    _ name: String, weights: String? = nil, residency: WeightResidency = .expanded
  ) throws {
    let model = try FixtureModel(name, weights: [weights ?? name], residency: residency)
    let pass = DecoderPass(model.decoder, maximumTokens: 48)
    var (loss, count) = (0.0, 0)
    for row in 0..<2 {
      let tokens = try model.tokens("input_ids", row: row)
      let labels = try model.tokens("labels", row: row)
      let targets = labels.dropFirst().map { $0 < 0 ? -1 : $0 } + [-1]
      pass.forward(Segment(tokens: tokens, targets: targets))
      try expectLogits(model, pass, "logits", row: row, name)
      let losses = pass.losses(targets)
      loss += losses.reduce(0, +)
      count += losses.count
    }
    XCTAssertEqual(loss / Double(count), Double(try model.floats("loss")[0]), accuracy: 1e-5)
  }

  private func expectLogits(
    _ model: FixtureModel, _ pass: DecoderPass, _ tensor: String, row: Int, tokens: Int = 48,
    _ what: String
  ) throws {
    let rows = min(tokens, try model.integers("input_ids").count)
    let ours = pass.logits(Array(0..<rows)).flatMap { $0 }
    let theirs = try model.floats(tensor, row: row).prefix(ours.count)
    expectClose(ours, Array(theirs), 2e-4, "\(what) \(tensor), row \(row)")
  }

  /// Right padding: the logits of the valid tokens are those of the shorter input.
  func testRightPadding() throws {
    for name in ["llama-mha", "llama-gqa", "llama-tied", "llama-bias"] {
      let model = try FixtureModel(name)
      let pass = DecoderPass(model.decoder, maximumTokens: 48)
      var lengths: Set<Int> = []
      for row in 0..<2 {
        let valid = try model.integers("attention_mask_rpad", row: row).reduce(0, +)
        let tokens = Array(try model.tokens("input_ids", row: row)[..<valid])
        pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
        try expectLogits(model, pass, "logits_rpad", row: row, tokens: valid, name)
        lengths.insert(valid)
      }
      XCTAssertLessThan(lengths.min() ?? 48, 48)
    }
  }

  /// Every token of a greedy continuation is the one with the largest logit after those before it.
  func testGreedyContinuation() throws {
    for name in ["llama-mha", "llama-gqa", "llama-tied", "llama-bias"] {
      let model = try FixtureModel(name)
      let prompt = try model.tokens("greedy_prompt")
      let expected = try model.tokens("greedy_output")
      XCTAssertEqual(Array(expected[..<prompt.count]), prompt)
      let pass = DecoderPass(model.decoder, maximumTokens: expected.count)
      var tokens = prompt
      while tokens.count < expected.count {
        pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
        let logits = pass.logits([tokens.count - 1])[0]
        tokens.append(Int32(logits.indices.max { logits[$0] < logits[$1] }!))
      }
      XCTAssertEqual(tokens, expected, name)
    }
  }

  /// The published positions where nothing is retrieved: 1…T under Zero, 0…T−1 under Continual. The
  /// first differs from a plain Llama by rounding, and where a dynamic base sees length T + 1.
  func testPublishedPositions() throws {
    for name in ["llama-mha", "llama-rope-linear", "llama-rope-dynamic"] {
      for positions in MemoryConfiguration.Positions.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: 0, retrievalLayers: [1], positions: positions)
        let model = try FixtureModel(name, memory: memory)
        // Without memory, continual positions are the plain ones, to the last bit.
        let stored = positions == .zero ? "logits_upstream_zero" : "logits"
        let pass = DecoderPass(model.decoder, maximumTokens: 48)
        for row in 0..<2 {
          let tokens = try model.tokens("input_ids", row: row)
          let blocks = [Segment.Block(queries: 0..<tokens.count, chunks: [])]
          pass.forward(
            Segment(
              tokens: tokens, targets: Segment.shifted(tokens), blocks: row == 0 ? [] : blocks))
          try expectLogits(model, pass, stored, row: row, name)
        }
      }
    }
  }
}

/// Inverse frequencies, cosines and sines against transformers' rotary embeddings.
final class RotaryParityTests: XCTestCase {
  func testTables() throws {
    let plain = ["llama-mha", "llama-gqa", "llama-tied", "llama-bias"]
    let scaled = ["linear", "dynamic", "dynamic-short", "yarn", "yarn-params", "llama3"]
    for name in plain + scaled.map({ "llama-rope-" + $0 }) {
      let weights = name == "llama-rope-dynamic-short" ? "llama-rope-dynamic" : name
      let model = try FixtureModel(name, weights: [weights])
      let rope = model.decoder.configuration.rope
      let length = try model.integers("input_ids").count
      let frequencies = rope.inverseFrequencies(length: length)
      let expected = try model.floats("rope_inv_freq")
      XCTAssertEqual(frequencies.count, expected.count)
      for (ours, theirs) in zip(frequencies, expected) {
        XCTAssertEqual(ours, theirs, accuracy: 3e-7 * theirs, name)
      }
      // Each half of a head turned from (1, 0) becomes (cos, sin).
      let half = frequencies.count
      var turned = (0..<length * 2 * half).map { Float($0 % (2 * half) < half ? 1 : 0) }
      let table = RotaryTable(
        inverseFrequencies: frequencies, positions: 0..<length, scaling: rope.attentionScaling)
      turned.withUnsafeMutableBufferPointer {
        rotate(
          $0.baseAddress!, tokens: length, heads: 1, headSize: 2 * half, stride: 2 * half,
          table: table, firstPosition: 0, workers: model.decoder.compute.workers)
      }
      let (cosines, sines) = (try model.floats("rope_cos"), try model.floats("rope_sin"))
      let theirs = turned.indices.map { $0 % (2 * half) < half ? cosines[$0] : sines[$0] }
      expectClose(turned, theirs, 1e-5, "\(name) cos and sin")
    }
  }
}
