import Dispatch
import TestSupport
import Tokenization
import XCTest

final class BytePairTokenizerTests: XCTestCase {
  // MARK: - Parity with the published tokenizer

  func testFixture() throws {
    let tokenizer = try Vocabulary.smolLM2().tokenizer()
    let texts = try XCTUnwrap(fixtureJSON("smollm2/case.json")["texts"]?.arrayValue)
    XCTAssertEqual(texts.count, 44)
    for item in texts {
      let text = try XCTUnwrap(item["text"]?.stringValue)
      let ids = try XCTUnwrap(item["ids"]?.ids)
      XCTAssertEqual(tokenizer.encode(text), ids, text)
      XCTAssertEqual(
        tokenizer.decode(ids, skippingSpecialTokens: false), Array(text.utf8), text)
      guard let plain = item["decode_skip_special"]?.stringValue else { continue }
      XCTAssertEqual(tokenizer.decodeText(ids, skippingSpecialTokens: true), Array(plain.utf8))
    }
  }

  func testThousandTokensOfProse() throws {
    let tokenizer = try Vocabulary.smolLM2().tokenizer()
    let ids = try Tensors(fixture: "smollm2/tensors.safetensors").integers("ids_1024").map {
      Int32($0)
    }
    XCTAssertEqual(ids.count, 1024)
    XCTAssertEqual(tokenizer.encode(tokenizer.decode(ids, skippingSpecialTokens: false)), ids)
  }

  func testSpecialTokensAsText() throws {
    let tokenizer = try Vocabulary.smolLM2().tokenizer()
    let text = "<|im_start|>user"
    XCTAssertEqual(tokenizer.encode(text, specialTokens: .parse), [1, 4093])
    let plain = tokenizer.encode(text, specialTokens: .text)
    XCTAssertGreaterThan(plain.count, 2)
    XCTAssertTrue(plain.allSatisfy { $0 > 16 })
    XCTAssertEqual(tokenizer.decode(plain, skippingSpecialTokens: true), Array(text.utf8))
  }

  func testBytesOutsideTheVocabularyAreLeftOut() throws {
    // As the published tokenizer does: U+0004 and the first byte of U+40000 have no token.
    let tokenizer = try Vocabulary.smolLM2().tokenizer()
    XCTAssertEqual(tokenizer.encode("\u{40000}"), [218, 218, 218])
    XCTAssertEqual(tokenizer.encode("!\u{4}!"), tokenizer.encode("!!"))
  }

  // MARK: - The scanner and the merges against the plain algorithm

  func testEqualsOracle() throws {
    var generator = SplitMix64(seed: 1)
    let vocabulary = Vocabulary.small()
    let tokenizer = try vocabulary.tokenizer()
    let oracle = BytePairOracle(vocabulary)
    for length in 0..<400 {
      let text = randomText(&generator, length: length % 120)
      let ids = tokenizer.encode(text, specialTokens: .text)
      XCTAssertEqual(ids, oracle.encode(text), "\(text.unicodeScalars.map(\.value))")
    }
  }

  func testLongPiecesEqualOracle() throws {
    var generator = SplitMix64(seed: 2)
    let vocabulary = Vocabulary.small()
    let tokenizer = try vocabulary.tokenizer()
    let oracle = BytePairOracle(vocabulary)
    for alphabet in ["a", "ab", "abc", " ", "!.", "é"] {
      for length in [1, 2, 15, 16, 17, 46, 47, 48, 49, 50, 51, 97, 200, 333] {
        let text = String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
        XCTAssertEqual(tokenizer.encode(text), oracle.encode(text), text)
      }
    }
  }

  func testMergesThatOvertake() throws {
    // "bc a" makes a pair of lower rank than its own: it comes next, before the rest of rank 2.
    var vocabulary = Vocabulary.small()
    vocabulary.merges = ["bc x", "x bc", "b c", "x xb"]
    vocabulary.tokens = byteSpellings + ["bcx", "xbc", "bc", "xxb", "xb"]
    vocabulary.types = [Int](repeating: 1, count: vocabulary.tokens.count)
    let tokenizer = try vocabulary.tokenizer()
    let oracle = BytePairOracle(vocabulary)
    var generator = SplitMix64(seed: 3)
    for length in [5, 20, 49, 60, 300] {
      let text = String((0..<length).map { _ in "bcx".randomElement(using: &generator)! })
      XCTAssertEqual(tokenizer.encode(text), oracle.encode(text), text)
    }
  }

  func testRoundTrip() throws {
    var generator = SplitMix64(seed: 4)
    let tokenizer = try Vocabulary.small().tokenizer()
    for _ in 0..<300 {
      let text = Array(randomText(&generator, length: 200).utf8)
      XCTAssertEqual(
        tokenizer.decode(tokenizer.encode(text), skippingSpecialTokens: false), text)
    }
  }

  func testRandomBytesAreRepaired() throws {
    var generator = SplitMix64(seed: 5)
    let tokenizer = try Vocabulary.small().tokenizer()
    for _ in 0..<300 {
      let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let ids = tokenizer.encode(bytes)
      XCTAssertEqual(
        tokenizer.decode(ids, skippingSpecialTokens: false),
        Array(String(decoding: bytes, as: UTF8.self).utf8))
    }
  }

  func testPartsGiveTheWhole() throws {
    var generator = SplitMix64(seed: 6)
    let tokenizer = try Vocabulary.small().tokenizer()
    for _ in 0..<200 {
      let text = Array(randomText(&generator, length: 300).utf8)
      let parts = text.withUnsafeBufferPointer { tokenizer.independentParts(of: $0, size: 10) }
      XCTAssertEqual(parts.first?.lowerBound, 0)
      XCTAssertEqual(parts.last?.upperBound, text.count)
      XCTAssertEqual(parts.flatMap { tokenizer.encode(Array(text[$0])) }, tokenizer.encode(text))
    }
  }

  func testThreadsShareATokenizer() throws {
    var generator = SplitMix64(seed: 7)
    let tokenizer = try Vocabulary.small().tokenizer()
    let texts = (0..<64).map { _ in randomText(&generator, length: 200) }
    let expected = texts.map { tokenizer.encode($0) }
    DispatchQueue.concurrentPerform(iterations: 256) { index in
      XCTAssertEqual(tokenizer.encode(texts[index % 64]), expected[index % 64])
    }
  }

  // MARK: - Cost

  func testCostIsLinear() throws {
    let tokenizer = try Vocabulary.small().tokenizer()
    let inputs: [(name: String, unit: String)] = [
      ("letters", "a"), ("spaces", " "), ("emoji", "😀"), ("newlines", "\n"),
      ("no merges", "xyz"), ("brackets", "<"), ("digits", "1"), ("apostrophes", "'"),
    ]
    for (name, unit) in inputs {
      let unit = Array(unit.utf8)
      let size = 1_000_000
      let once = Array(repeatElement(unit, count: size / unit.count).joined())
      let twice = once + once
      assertLinear(name, once, twice) { _ = tokenizer.encode($0) }
      XCTAssertEqual(
        tokenizer.decode(tokenizer.encode(twice), skippingSpecialTokens: false), twice, name)
    }
  }

  func testTenMegabytesWithoutASpace() throws {
    let tokenizer = try Vocabulary.small().tokenizer()
    let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 10_000_000)
    let ids = tokenizer.encode(bytes)
    XCTAssertEqual(ids.count, 10_000_000 / 8)
    XCTAssertEqual(Set(ids).count, 1)
  }

  // MARK: - What it refuses

  func testRefusals() {
    func message(_ change: (inout Vocabulary) -> Void) -> String? {
      var vocabulary = Vocabulary.small()
      change(&vocabulary)
      do {
        _ = try vocabulary.tokenizer()
        return nil
      } catch {
        return "\(error)"
      }
    }
    XCTAssertNil(message { _ in })
    XCTAssertEqual(
      message { $0.preTokenizer = "tekken" },
      "pre-tokenizer tekken is not known (known: gpt-2, smollm, llama-bpe, qwen2, default)")
    XCTAssertEqual(
      message { $0.merges.append("a zz") }, "merge 15 (a zz) has no tokens in the vocabulary")
    XCTAssertEqual(
      message { $0.merges.append("aaa") }, "merge 15 (aaa) has no tokens in the vocabulary")
    XCTAssertNotNil(message { $0.types.removeLast() })
    XCTAssertNotNil(
      message {
        $0.tokens = []
        $0.types = []
        $0.merges = []
      })
  }

  func testDigestNamesTheVocabulary() throws {
    let digest = try Vocabulary.small().tokenizer().identity.digest
    XCTAssertEqual(digest.count, 32)
    XCTAssertEqual(digest, try Vocabulary.small().tokenizer().identity.digest)
    var other = Vocabulary.small()
    other.merges.swapAt(0, 1)
    XCTAssertNotEqual(digest, try other.tokenizer().identity.digest)
    other = .small()
    other.preTokenizer = "gpt-2"
    XCTAssertNotEqual(digest, try other.tokenizer().identity.digest)
  }

  func testIdsOutsideTheVocabularyDecodeToNothing() throws {
    let tokenizer = try Vocabulary.small().tokenizer()
    XCTAssertEqual(
      tokenizer.decode([-1, 97, Int32.max, .min], skippingSpecialTokens: false), [0x61])
  }

  func testUserDefinedTokensAreFoundAlways() throws {
    let vocabulary = Vocabulary.small()
    let tokenizer = try vocabulary.tokenizer()
    let count = Int32(vocabulary.tokens.count)
    XCTAssertEqual(tokenizer.encode("<user>", specialTokens: .text), [count - 1])
    XCTAssertEqual(tokenizer.encode("<|end|>", specialTokens: .parse), [count - 2])
    XCTAssertEqual(tokenizer.encode("<|end|>", specialTokens: .text).count, 7)
    XCTAssertEqual(
      tokenizer.decode([count - 1, count - 2], skippingSpecialTokens: true), Array("<user>".utf8))
  }
}
