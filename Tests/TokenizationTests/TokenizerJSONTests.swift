import Safetensors
import TestSupport
import Tokenization
import XCTest

/// Ids of Hugging Face's tokenizers and of sentencepiece (see Tests/interop/tokenizer_fixtures.py).
final class TokenizerJSONTests: XCTestCase {
  private struct Case {
    let name: String
    let tokenizer: any Tokenizer
    let ids: [SpecialTokenHandling: [[Int32]]]
  }

  private func texts() throws -> [String] {
    let texts = try XCTUnwrap(fixtureJSON("tokenizer-json/cases.json")["texts"]?.arrayValue)
    return texts.compactMap(\.stringValue)
  }

  private func cases() throws -> [Case] {
    let cases = try XCTUnwrap(fixtureJSON("tokenizer-json/cases.json")["cases"]?.objectValue)
    XCTAssertEqual(cases.count, 18)
    return try cases.map { name, ids in
      var expected: [SpecialTokenHandling: [[Int32]]] = [:]
      for handling in SpecialTokenHandling.allCases {
        expected[handling] = ids[handling.rawValue]?.arrayValue?.compactMap(\.ids)
      }
      return Case(name: name, tokenizer: try open(name), ids: expected)
    }
  }

  private func open(_ name: String) throws -> any Tokenizer {
    try TokenizerFiles.open(path: fixture("tokenizer-json/" + name))
  }

  /// A fixture's tokenizer.json after a change of its text.
  private func open(
    _ name: String, replacing old: String, with new: String, line: UInt = #line
  ) throws -> any Tokenizer {
    let text = try String(contentsOfFile: fixture("tokenizer-json/" + name), encoding: .utf8)
    let changed = text.replacingOccurrences(of: old, with: new)
    XCTAssertNotEqual(changed, text, "\(name) has no \(old)", line: line)
    return try Array(changed.utf8).withUnsafeBytes { try TokenizerFiles.tokenizer(json: $0) }
  }

  // MARK: - Ids

  func testIds() throws {
    let texts = try texts()
    for item in try cases() {
      for (handling, expected) in item.ids {
        XCTAssertEqual(expected.count, texts.count)
        for (text, ids) in zip(texts, expected) {
          let found = item.tokenizer.encode(text, specialTokens: handling)
          XCTAssertEqual(found, ids, "\(item.name), \(handling): \(text.debugDescription)")
        }
      }
    }
  }

  func testPartsGiveTheIdsOfTheWhole() throws {
    let texts = try texts() + ["and so on, wherever the end  is\nAnd so  forth <|user|> to the end"]
    var cuts = 0
    for item in try cases() {
      for text in texts {
        let bytes = Array(text.utf8)
        for handling in SpecialTokenHandling.allCases {
          let parts = bytes.withUnsafeBufferPointer {
            item.tokenizer.independentParts(of: $0, size: 4)
          }
          cuts += parts.count - 1
          let ids = parts.flatMap {
            item.tokenizer.encode(Array(bytes[$0]), specialTokens: handling)
          }
          XCTAssertEqual(
            ids, item.tokenizer.encode(bytes, specialTokens: handling), "\(item.name): \(text)")
        }
      }
    }
    XCTAssertGreaterThan(cuts, 100)
  }

  func testIllFormedTextIsRepaired() throws {
    for item in try cases() {
      XCTAssertEqual(
        item.tokenizer.encode([0x61, 0xe2, 0x96, 0x62, 0xff]),
        item.tokenizer.encode("a\u{fffd}b\u{fffd}"),
        item.name)
    }
  }

  /// The scanners against the expressions that they stand for: brackets around one hide it.
  func testScannersEqualExpressions() throws {
    var generator = SplitMix64(seed: 3)
    for name in ["llama-bpe.json", "qwen2.json"] {
      let scanner = try open(name)
      let expression = try open(name, replacing: #""Regex":"(?i:"#, with: #""Regex":"(?:)(?i:"#)
      for length in 0..<400 {
        let text = randomText(&generator, length: length % 90) + "'LL 'ſ 'Re 1234"
        XCTAssertEqual(scanner.encode(text), expression.encode(text), text.debugDescription)
      }
    }
  }

  // MARK: - The same vocabulary in other files

  func testGGUFHasTheIdsAndTheDigestOfTokenizerJSON() throws {
    let texts = try texts()
    for rule in ["gpt-2", "smollm", "llama-bpe", "qwen2", "default"] {
      let (stored, json) = (try open(rule + ".gguf"), try open(rule + ".json"))
      for text in texts {
        for handling in SpecialTokenHandling.allCases {
          XCTAssertEqual(
            stored.encode(text, specialTokens: handling),
            json.encode(text, specialTokens: handling), "\(rule): \(text)")
        }
      }
      let digest = try TokenizerFiles.digest(path: fixture("tokenizer-json/\(rule).gguf"))
      XCTAssertEqual(digest, stored.identity.digest)
      // "default" is no expression that a tokenizer.json is known by.
      XCTAssertEqual(digest == json.identity.digest, rule != "default", rule)
    }
  }

  func testFolder() throws {
    // Of the folder's two files tokenizer.json is read; tokenizer.model gives the same ids of text.
    let folder = try open("llama")
    XCTAssertEqual(folder.identity.name, "tokenizer.json")
    XCTAssertTrue(folder.addsLeadingSpace)
    for text in try texts() {
      for name in ["llama/tokenizer.model", "llama/tokenizer.gguf"] {
        XCTAssertEqual(
          try open(name).encode(text, specialTokens: .text),
          folder.encode(text, specialTokens: .text), text.debugDescription)
      }
    }
    // The begin token is the post-processor's, the end token the configuration's.
    XCTAssertEqual(folder.beginningOfSequence, 1)
    XCTAssertEqual(folder.endOfSequence, 2)
    XCTAssertNil(
      try open("llama/tokenizer.gguf").encode("a", specialTokens: .text).first { $0 < 3 })
  }

  func testWordPieceEqualsVocabularyFile() throws {
    let json = try open("bert")
    XCTAssertEqual(json.identity.digest, try open("bert/vocab.txt").identity.digest)
    XCTAssertNotEqual(
      json.identity.digest,
      try open("bert/tokenizer.json", replacing: #""lowercase":true"#, with: #""lowercase":false"#)
        .identity.digest)
  }

  func testDigestTellsSettingsApart() throws {
    let digests = try cases().filter { !$0.name.hasSuffix(".model") }
      .map(\.tokenizer.identity.digest)
    XCTAssertEqual(Set(digests).count, digests.count)
    XCTAssertNotEqual(
      try open("llama-bpe.json").identity.digest,
      try open(
        "llama-bpe.json", replacing: #""ignore_merges":true"#, with: #""ignore_merges":false"#
      )
      .identity.digest)
  }

  // MARK: - Decoding

  func testDecoding() throws {
    let text = "naïve <|user|>  中文\n\u{0}👍"
    for name in ["gpt-2.json", "qwen2.gguf"] {
      let tokenizer = try open(name)
      XCTAssertEqual(
        tokenizer.decode(tokenizer.encode(text), skippingSpecialTokens: true), Array(text.utf8))
    }
    for name in ["llama", "llama/tokenizer.gguf"] {
      let tokenizer = try open(name)
      let ids = tokenizer.encode("<s>" + text)
      XCTAssertEqual(ids.first, 1, name)
      XCTAssertEqual(
        tokenizer.decodeText(ids, skippingSpecialTokens: true), Array((" " + text).utf8), name)
    }
  }

  func testLeadingSpaceIsPutAsTheFileSays() throws {
    // Before every run of text, or only where the text begins.
    for (name, run) in [("llama", " a"), ("llama/tokenizer.gguf", " a"), ("first.json", "a")] {
      let tokenizer = try open(name)
      for (text, expected) in [("a", " a"), ("<s>a", "<s>" + run), ("a<s>a", " a<s>" + run)] {
        let decoded = tokenizer.decode(tokenizer.encode(text), skippingSpecialTokens: false)
        XCTAssertEqual(String(decoding: decoded, as: UTF8.self), expected, name)
      }
    }
  }

  // MARK: - What is refused

  func testRefusals() throws {
    let refusals = [
      (
        #""pre_tokenizer":{"type":"ByteLevel""#, #""pre_tokenizer":{"type":"Punctuation""#,
        #"pre_tokenizer "Punctuation" is not supported"#
      ),
      (
        #""normalizer":null"#, #""normalizer":{"type":"Nmt"}"#,
        #"normalizer "Nmt" is not supported"#
      ),
      (#""type":"BPE""#, #""type":"Unigram""#, #"model "Unigram" is not supported"#),
      (#""dropout":null"#, #""dropout":0.1"#, #"model "BPE" with dropout is not supported"#),
      (
        #""end_of_word_suffix":null"#, #""end_of_word_suffix":"</w>""#,
        #"model "BPE" with end_of_word_suffix is not supported"#
      ),
      (#""unk_token":null"#, #""unk_token":"?!""#, #"model "BPE" has no token ?!, its unk_token"#),
      (#""merges":["#, #""merges":[["x"],"#, #"model "BPE" has a merge 0 that is no pair"#),
      (#""merges":["#, #""merges":["é é","#, "merge 0 (é é) has no tokens in the vocabulary"),
      (#""Ġ":"#, #""Ġ":99"#, "token \"Ġ\" has the id "),
      (
        #""decoder":{"type":"ByteLevel""#, #""decoder":{"type":"CTC""#,
        #"decoder "CTC" is not supported"#
      ),
      (
        #""post_processor":null"#, #""post_processor":{"type":"Other"}"#,
        #"post_processor "Other" is not supported"#
      ),
      (#""version""#, #"version"#, "not JSON at byte 1: a key is expected"),
    ]
    for (old, new, message) in refusals {
      XCTAssertThrowsError(try open("gpt-2.json", replacing: old, with: new)) { error in
        XCTAssertTrue(error is TokenizerError, "\(error)")
        XCTAssertTrue("\(error)".hasPrefix(message), "\(error) for \(message)")
      }
    }
    XCTAssertThrowsError(try open("other-removed.json", replacing: "[aeiou]+", with: "[aeiou+")) {
      XCTAssertEqual(
        "\($0)", #"pre_tokenizer "Split" has a pattern that is no expression: [aeiou+"#)
    }
  }
}
