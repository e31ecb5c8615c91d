import Modeling
import XCTest

/// Retrieval attention and the memory it reads, against the published code run in float32.
final class MemoryParityTests: XCTestCase {
  func testZeroPositions() throws {
    let name = "memlong-zero"
    let memory = try FixtureModel.publishedMemory(name)
    let model = try FixtureModel(name, memory: memory)
    let pass = DecoderPass(model.decoder, maximumTokens: 64)
    for row in 0..<2 {
      var chunks: [MemoryChunk] = []
      for step in 0..<4 {
        let retrieved =
          step == 0 ? [] : try model.integers("step\(step).call0.retrieved_indices", row: row)
        try checkCall(
          model, pass, logits: "step\(step).logits", row: row,
          tokens: try model.tokens("step\(step).input_ids", row: row),
          retrieved: retrieved.map { chunks[$0] })
        for start in stride(from: 0, to: 64, by: 16) {
          chunks.append(pass.memoryChunk(start..<start + 16))
        }
      }
      try checkMemory(model, chunks, prefix: "step3", row: row)
    }
  }

  func testLossOfEveryStep() throws {
    let model = try FixtureModel(
      "memlong-zero", memory: try FixtureModel.publishedMemory("memlong-zero"))
    let pass = DecoderPass(model.decoder, maximumTokens: 64)
    var losses = [Double](repeating: 0, count: 4)
    for row in 0..<2 {
      var chunks: [MemoryChunk] = []
      for step in 0..<4 {
        let tokens = try model.tokens("step\(step).input_ids", row: row)
        let retrieved =
          step == 0 ? [] : try model.integers("step\(step).call0.retrieved_indices", row: row)
        let segment = Segment(
          tokens: tokens, targets: Segment.shifted(tokens),
          blocks: [.init(queries: 0..<64, chunks: retrieved.map { chunks[$0] })])
        pass.forward(segment)
        losses[step] += pass.losses(segment.targets).reduce(0, +) / (2 * 63)
        chunks += stride(from: 0, to: 64, by: 16).map { pass.memoryChunk($0..<$0 + 16) }
      }
    }
    for step in 0..<4 {
      XCTAssertEqual(
        losses[step], Double(try model.floats("step\(step).loss")[0]), accuracy: 1e-5)
    }
  }

  /// A long input is read window by window, each window leaving one chunk, then the last context.
  func testLongInput() throws {
    let name = "memlong-longinput"
    let memory = try FixtureModel.publishedMemory(name)
    let model = try FixtureModel(name, weights: "memlong-zero", memory: memory)
    let pass = DecoderPass(model.decoder, maximumTokens: 64)
    for row in 0..<2 {
      let tokens = try model.tokens("step0.input_ids", row: row)
      var chunks: [MemoryChunk] = []
      var logits: [Float] = []
      for call in 0..<13 {
        let window = call < 12 ? call * 16..<(call + 1) * 16 : 192..<256
        let retrieved =
          call == 0 ? [] : try model.integers("step0.call\(call).retrieved_indices", row: row)
        let ids = Array(tokens[window])
        pass.forward(
          Segment(
            tokens: ids, targets: Segment.shifted(ids),
            blocks: [.init(queries: 0..<ids.count, chunks: retrieved.map { chunks[$0] })]))
        logits += pass.logits(Array(ids.indices)).flatMap { $0 }
        for start in stride(from: 0, to: ids.count, by: 16) {
          chunks.append(pass.memoryChunk(start..<start + 16))
        }
      }
      let expected = try model.floats("step0.logits")
      let perRow = expected.count / 2
      XCTAssertLessThanOrEqual(
        largestDifference(logits, Array(expected[row * perRow..<(row + 1) * perRow])), 2e-4)
      try checkMemory(model, chunks, prefix: "step0", row: row)
    }
  }

  private func checkCall(
    _ model: FixtureModel, _ pass: DecoderPass, logits name: String, row: Int, tokens: [Int32],
    retrieved: [MemoryChunk]
  ) throws {
    let blocks: [Segment.Block] = [.init(queries: 0..<tokens.count, chunks: retrieved)]
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens), blocks: blocks))
    let logits = pass.logits(Array(tokens.indices)).flatMap { $0 }
    let expected = try model.floats(name)
    let perRow = expected.count / 2
    XCTAssertLessThanOrEqual(
      largestDifference(logits, Array(expected[row * perRow..<(row + 1) * perRow])), 2e-4, name)
  }

  /// The whole memory, [B, H, S, hd] in the fixture and S × (H · hd) here.
  private func checkMemory(
    _ model: FixtureModel, _ chunks: [MemoryChunk], prefix: String, row: Int
  ) throws {
    let c = model.decoder.configuration
    let total = chunks.reduce(0) { $0 + $1.tokens }
    for (name, part) in [("mem_keys", 0), ("mem_values", 1)] {
      let expected = try model.floats("\(prefix).\(name)")
      let ours = chunks.flatMap { chunk in
        let pair = chunk.expanded(slot: 0)
        return part == 0 ? pair.keys : pair.values
      }
      var largest: Float = 0
      for head in 0..<c.keyValueHeads {
        for token in 0..<total {
          for d in 0..<c.headSize {
            let theirs = expected[
              ((row * c.keyValueHeads + head) * total + token) * c.headSize + d]
            let mine = ours[token * c.keyValueWidth + head * c.headSize + d]
            largest = max(largest, abs(theirs - mine))
          }
        }
      }
      XCTAssertLessThanOrEqual(largest, 2e-5, name)
    }
  }
}
