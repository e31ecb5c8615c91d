import Foundation
import TestSupport
import Tokenization
import XCTest

final class WordPieceTokenizerTests: XCTestCase {
  private func miniLM() throws -> WordPieceTokenizer {
    let path = try cachedModel("minilm/vocab.txt")
    return try WordPieceTokenizer(
      vocabulary: String(decoding: Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self))
  }

  private func small(lowercase: Bool = true, stripAccents: Bool? = nil) throws
    -> WordPieceTokenizer
  {
    let words = [
      "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "##b", "e", "E", "é", ",", "中",
      "un", "##able", "##unable",
    ]
    return try WordPieceTokenizer(
      vocabulary: words.joined(separator: "\n") + "\n", lowercase: lowercase,
      stripAccents: stripAccents)
  }

  func testFixture() throws {
    let tokenizer = try miniLM()
    let texts = try XCTUnwrap(fixtureJSON("minilm/case.json")["texts"]?.arrayValue)
    XCTAssertEqual(texts.count, 24)
    for item in texts {
      let text = try XCTUnwrap(item["text"]?.stringValue)
      let ids = tokenizer.encode(text, maximumLength: nil)
      if let full = item["ids_full"]?.ids { XCTAssertEqual(ids, full, text) }
      XCTAssertEqual(ids.count, item["n_full"]?.intValue)
      XCTAssertEqual(tokenizer.encode(text, maximumLength: 256), item["ids_256"]?.ids, text)
      XCTAssertEqual(
        tokenizer.encode(text, maximumLength: 512).count, item["n_512"]?.intValue, text)
    }
  }

  func testWords() throws {
    let tokenizer = try small()
    func ids(_ text: String) -> [Int32] { tokenizer.encode(text) }
    XCTAssertEqual(ids(""), [])
    XCTAssertEqual(ids("a aab"), [5, 5, 6, 7])
    XCTAssertEqual(ids("ax a"), [1, 5], "a word without a spelling is one [UNK]")
    XCTAssertEqual(ids("unable ununable"), [13, 14, 13, 15])
    XCTAssertEqual(ids("a,a"), [5, 11, 5])
    XCTAssertEqual(ids("a中a"), [5, 12, 5])
    XCTAssertEqual(ids("É e\u{301} E"), [8, 8, 8])
    XCTAssertEqual(ids("a\u{0}\u{ad}\u{fffd}a"), [5, 6])
    XCTAssertEqual(ids("[MASK]a[mask]"), [4, 5, 1, 1, 1])
    XCTAssertEqual(tokenizer.encode("[MASK]", specialTokens: .text), [1, 1, 1])
  }

  func testCasedVocabulary() throws {
    let tokenizer = try small(lowercase: false)
    XCTAssertEqual(tokenizer.encode("E é"), [9, 10])
    let stripped = try small(lowercase: false, stripAccents: true)
    XCTAssertEqual(stripped.encode("E é"), [9, 8])
    XCTAssertNotEqual(tokenizer.identity.digest, stripped.identity.digest)
  }

  func testLongWords() throws {
    let tokenizer = try small()
    XCTAssertEqual(tokenizer.encode(String(repeating: "a", count: 100)).count, 100)
    XCTAssertEqual(tokenizer.encode(String(repeating: "a", count: 101)), [1])
    XCTAssertEqual(tokenizer.encode(String(repeating: "a", count: 1_000_000)), [1])
  }

  func testTruncation() throws {
    let tokenizer = try small()
    XCTAssertEqual(tokenizer.encode("a a a", maximumLength: 4), [2, 5, 5, 3])
    XCTAssertEqual(tokenizer.encode("a a a", maximumLength: 2), [2, 3])
    XCTAssertEqual(tokenizer.encode("a a a", maximumLength: 5), [2, 5, 5, 5, 3])
  }

  func testCostIsLinear() throws {
    let tokenizer = try small()
    for unit in ["a ", "e\u{301}\u{323}", "中", "unable,", "한"] {
      let once = String(repeating: unit, count: 60_000)
      assertLinear(unit, once, once + once) { _ = tokenizer.encode($0) }
    }
  }

  func testRandomTextDoesNotTrap() throws {
    var generator = SplitMix64(seed: 1)
    let tokenizer = try small()
    for _ in 0..<300 {
      let ids = tokenizer.encode(randomText(&generator, length: 200))
      XCTAssertTrue(ids.allSatisfy { $0 >= 0 && $0 < 16 })
      let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }
      XCTAssertEqual(
        tokenizer.encode(bytes), tokenizer.encode(String(decoding: bytes, as: UTF8.self)))
    }
  }

  func testVocabularyWithoutSpecialTokens() {
    XCTAssertThrowsError(try WordPieceTokenizer(vocabulary: "a\nb\n")) {
      XCTAssertEqual("\($0)", "the vocabulary has no [UNK]")
    }
  }
}
