import Evaluation
import Foundation
import Modeling
import TestSupport
import Weights
import XCTest

/// Windows whose logits the published code computed, chunk by chunk and then the last context.
final class PublishedWindowTests: XCTestCase {
  func testLongInput() throws {
    for row in 0..<2 { try check("memlong-longinput", row: row, windows: 1) }
  }

  /// A short last chunk before the last context, and a second window on the memory of the first.
  func testRaggedLongInput() throws { try check("memlong-longinput-ragged", row: 0, windows: 2) }

  private func check(_ name: String, row: Int, windows: Int) throws {
    let tensors = try Tensors(fixture: name + "/tensors.safetensors")
    let memory = try MemoryConfiguration(published: fixtureJSON(name + "/config.json"))
    let folder = try modelFolder(configuration: name, weights: ["memlong-zero"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let decoder = try Decoder(
      files: ModelFiles.open(path: folder), memory: memory, residency: .expanded,
      compute: Compute(threads: 1))
    func tokens(_ window: Int) throws -> [Int32] {
      let count = try XCTUnwrap(tensors.shape("step\(window).input_ids").last)
      let all = try tensors.integers("step\(window).input_ids")
      return all[row * count..<(row + 1) * count].map { Int32($0) }
    }
    let length = try tokens(0).count
    let rules = WindowProtocol(
      length: length, stride: length, lastContext: 64, prefillTokens: 16, filterLength: 1,
      bos: false)

    var plan = RetrievalPlan()
    var segments: [PlannedSegment] = []
    let calls = try XCTUnwrap(fixtureJSON(name + "/case.json")["steps"]?.arrayValue)
    var chunk = 0
    for window in 0..<windows {
      let ids = try tokens(window)
      let starts = Array(stride(from: 0, to: length - 64, by: 16)) + [length - 64, length]
      for (call, (start, end)) in zip(starts, starts.dropFirst()).enumerated() {
        let facts = calls[window]["calls"]?.arrayValue?[call]
        let retrieved = facts?["retrieved"]?.arrayValue?[row].arrayValue ?? []
        plan.append(row: chunk, neighbours: retrieved.compactMap(\.intValue))
        let lengths = stride(from: start, to: end, by: 16).map { min(16, end - $0) }
        segments.append(
          PlannedSegment(
            firstRow: chunk, chunkLengths: lengths, tokens: Array(ids[start..<end]),
            nextToken: end < length ? ids[end] : -1, document: window))
        chunk += lengths.count
      }
    }
    let evaluator = StreamEvaluator(
      decoder, plan: plan, segmentTokens: 64, firstScored: rules.firstScored)
    let found = try segments.flatMap { try evaluator.score($0) }

    for window in 0..<windows {
      let logits = try tensors.floats("step\(window).logits")
      let ids = try tokens(window)
      let width = decoder.configuration.vocabularySize
      for (place, loss) in found[window * length..<(window + 1) * length].enumerated() {
        guard place >= length - 64 else {
          XCTAssertNil(loss)
          continue
        }
        let start = (row * length + place - 1) * width
        let own = logits[start..<start + width].map(Double.init)
        let largest = own.max() ?? 0
        let expected =
          log(own.reduce(0) { $0 + exp($1 - largest) }) + largest - own[Int(ids[place])]
        XCTAssertEqual(try XCTUnwrap(loss), expected, accuracy: 2e-4)
      }
    }
  }
}
