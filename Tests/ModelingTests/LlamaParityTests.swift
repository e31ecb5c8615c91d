import Modeling
import XCTest

/// Logits and losses against transformers 4.46 in float32.
final class LlamaParityTests: XCTestCase {
  func testMultiHeadAttention() throws { try check("llama-mha") }

  func testGroupedQueryAttention() throws { try check("llama-gqa") }

  func testTiedEmbeddings() throws { try check("llama-tied") }

  func testNarrowWeightsGiveTheSameLogits() throws { try check("llama-gqa", residency: .stored) }

  private func check(_ name: String, residency: WeightResidency = .expanded) throws {
    let model = try FixtureModel(name, residency: residency)
    let expected = try model.floats("logits")
    let pass = DecoderPass(model.decoder, maximumTokens: 48)
    let perRow = expected.count / 2
    var (loss, count) = (0.0, 0)
    for row in 0..<2 {
      let tokens = try model.tokens("input_ids", row: row)
      let labels = try model.tokens("labels", row: row)
      let targets = labels.dropFirst().map { $0 < 0 ? -1 : $0 } + [-1]
      pass.forward(Segment(tokens: tokens, targets: targets))
      let logits = pass.logits(Array(tokens.indices)).flatMap { $0 }
      XCTAssertLessThanOrEqual(
        largestDifference(logits, Array(expected[row * perRow..<(row + 1) * perRow])), 2e-4)
      let losses = pass.losses(targets)
      loss += losses.reduce(0, +)
      count += losses.count
    }
    XCTAssertEqual(loss / Double(count), Double(try model.floats("loss")[0]), accuracy: 1e-5)
  }
}
