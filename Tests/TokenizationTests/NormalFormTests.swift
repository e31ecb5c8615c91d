import Foundation
import TestSupport
import Tokenization
import XCTest

/// Normal forms against Foundation's, which has tables and code of its own.
final class NormalFormTests: XCTestCase {
  /// What a tokenizer of bytes makes of a text, back from its ids.
  private func normalized(_ text: String, by tokenizer: any Tokenizer) -> String {
    String(
      decoding: tokenizer.decode(
        tokenizer.encode(text, specialTokens: .text), skippingSpecialTokens: false), as: UTF8.self)
  }

  private func tokenizer(_ form: String) throws -> any Tokenizer {
    let text = try String(contentsOfFile: fixture("tokenizer-json/qwen2.json"), encoding: .utf8)
    let changed = text.replacing("\"NFC\"", with: "\"\(form)\"")
    XCTAssertTrue(changed.contains("\"\(form)\""))
    return try Array(changed.utf8).withUnsafeBytes { try TokenizerFiles.tokenizer(json: $0) }
  }

  private func texts() -> [String] {
    var random = SplitMix64(seed: 15)
    let blocks: [ClosedRange<UInt32>] = [
      0x300...0x36f, 0x300...0x36f, 0x41...0x7a, 0xc0...0x17f, 0x1e00...0x1eff, 0x1100...0x11ff,
      0xac00...0xac40, 0x5b0...0x5bd, 0x610...0x65f, 0x93c...0x94d, 0xfb00...0xfb4f,
      0x2f800...0x2f820, 0x1d160...0x1d170, 0xfdfa...0xfdfa,
    ]
    return (0..<400).map { round in
      var text = String.UnicodeScalarView()
      for _ in 0..<(round % 40 + 1) {
        let block = blocks[Int.random(in: 0..<blocks.count, using: &random)]
        // A few scalars of a block are not assigned, which is no harm.
        text.append(Unicode.Scalar(UInt32.random(in: block, using: &random))!)
      }
      return String(text)
    }
  }

  func testForms() throws {
    let (composed, decomposed) = (try tokenizer("NFC"), try tokenizer("NFD"))
    let (wide, narrow) = (try tokenizer("NFKC"), try tokenizer("NFKD"))
    for text in texts() {
      for (tokenizer, expected) in [
        (composed, text.precomposedStringWithCanonicalMapping),
        (decomposed, text.decomposedStringWithCanonicalMapping),
        (wide, text.precomposedStringWithCompatibilityMapping),
        (narrow, text.decomposedStringWithCompatibilityMapping),
      ] {
        // Strings are equal whatever their form; scalars are not.
        XCTAssertEqual(
          Array(normalized(text, by: tokenizer).unicodeScalars), Array(expected.unicodeScalars),
          text.unicodeScalars.map { String($0.value, radix: 16) }.joined(separator: " "))
      }
    }
  }
}
