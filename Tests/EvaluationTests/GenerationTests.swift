import Evaluation
import Foundation
import XCTest

/// Drawing tokens and handing on their bytes.
final class GenerationTests: XCTestCase {
  func testGreedyTakesTheFirstOfTheLikeliest() {
    var sampler = TokenSampler(temperature: 0, topP: 1, seed: 1)
    XCTAssertEqual(sampler.next([0, 2, 2, -1]), 1)
  }

  /// Draws follow softmax(logits / temperature), cut to the nucleus.
  func testFrequencies() {
    let weights = [0.5, 0.3, 0.15, 0.05]
    let logits = weights.map { Float(2 * log($0)) }  // at temperature 2: the weights themselves
    for (topP, expected) in [(1.0, weights), (0.7, [0.625, 0.375, 0, 0])] {
      var sampler = TokenSampler(temperature: 2, topP: topP, seed: 7)
      var counts = [0.0, 0, 0, 0]
      for _ in 0..<20_000 { counts[Int(sampler.next(logits))] += 1 / 20_000 }
      for (count, share) in zip(counts, expected) {
        XCTAssertEqual(count, share, accuracy: share == 0 ? 0 : 0.02, "top-p \(topP)")
      }
    }
  }

  func testSeedDecides() {
    func draws(_ seed: UInt64) -> [Int32] {
      var sampler = TokenSampler(temperature: 1, topP: 1, seed: seed)
      return (0..<32).map { _ in sampler.next([0, 0.1, 0.2, 0.3]) }
    }
    XCTAssertEqual(draws(3), draws(3))
    XCTAssertNotEqual(draws(3), draws(4))
  }

  /// A character goes out when its last byte has come, whatever the tokens' borders.
  func testWholeCharacters() {
    let bytes = Array("aé€😀".utf8)
    for size in 1...4 {
      var text = GeneratedText()
      var out: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: size) {
        out += text.append(Array(bytes[start..<min(start + size, bytes.count)]))
        XCTAssertNotNil(String(validating: out, as: UTF8.self), "\(size)")
      }
      XCTAssertEqual(out + text.finish(), bytes)
    }
    var broken = GeneratedText()
    XCTAssertEqual(broken.append([0xE2]), [])
    XCTAssertEqual(broken.append([0x41]), [0xE2, 0x41])
  }
}
