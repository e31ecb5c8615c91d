import Foundation
import Kernels
import Modeling
import TestSupport
import Weights
import XCTest

/// The real SmolLM2-135M-Instruct GGUF against transformers in float32.
final class SmolLM2Tests: XCTestCase {
  func testLossAndLogits() throws {
    let path = try cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    let files = try ModelFiles.open(path: path)
    let decoder = try Decoder(files: files, memory: nil, compute: Compute(threads: 2))
    let tensors = try MappedSafetensors(path: fixture("smollm2/tensors.safetensors"))
    func integers(_ name: String) throws -> [Int32] {
      let entry = try XCTUnwrap(tensors.entry(name))
      let bytes = try tensors.bytes(entry)
      return (0..<bytes.count / 4).map {
        bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)
      }
    }
    let pass = DecoderPass(decoder, maximumTokens: 1024)
    let ids = try integers("ids_1024")
    pass.forward(Segment(tokens: ids, targets: Segment.shifted(ids)))
    let losses = pass.losses(Segment.shifted(ids))
    let expected = try tensors.tensor("per_token_loss_1024").floats()
    let mean = losses.reduce(0, +) / Double(losses.count)
    let theirs = expected.reduce(0.0) { $0 + Double($1) } / Double(expected.count)
    XCTAssertEqual(mean / theirs, 1, accuracy: 1e-3)
    XCTAssertLessThan(largestDifference(losses.map(Float.init), expected), 2e-2)

    let short = try integers("ids_64")
    pass.forward(Segment(tokens: short, targets: Segment.shifted(short)))
    let positions = try integers("positions").map(Int.init)
    let logits = pass.logits(positions)
    let topIDs = try integers("top20_ids")
    let topValues = try tensors.tensor("top20_values").floats()
    for (index, row) in logits.enumerated() {
      for rank in 0..<20 {
        let theirs = topValues[index * 20 + rank]
        XCTAssertEqual(row[Int(topIDs[index * 20 + rank])], theirs, accuracy: abs(theirs) * 1e-3)
      }
    }
  }
}
