import Safetensors
import TestSupport
import Tokenization
import XCTest

final class SentencePieceTokenizerTests: XCTestCase {
  private func bytePair() throws -> any Tokenizer {
    try TokenizerFiles.open(path: fixture("sentencepiece-bpe"))
  }

  private func unigram(_ ids: SentencePieceTokenizer.Ids) throws -> SentencePieceTokenizer {
    try fixtureBytes("sentencepiece-unigram/unigram.model").withUnsafeBytes {
      try SentencePieceTokenizer(model: $0, ids: ids)
    }
  }

  private func rows(_ name: String) throws -> [JSONValue] {
    try XCTUnwrap(fixtureJSON(name + "/case.json")["rows"]?.arrayValue)
  }

  func testBytePairFixture() throws {
    let tokenizer = try bytePair()
    XCTAssertEqual(tokenizer.identity.vocabularySize, 32000)
    XCTAssertEqual(tokenizer.beginningOfSequence, 1)
    XCTAssertEqual(tokenizer.endOfSequence, 2)
    let rows = try rows("sentencepiece-bpe")
    XCTAssertEqual(rows.count, 42)
    for row in rows {
      let text = try XCTUnwrap(row["text"]?.stringValue)
      let ids = try XCTUnwrap(row["sp_ids"]?.ids)
      XCTAssertEqual(tokenizer.encode(text, specialTokens: .text), ids, text)
      // Hugging Face's fast tokenizer puts the leading space before the first run of text only.
      if !text.contains("</s>") {
        XCTAssertEqual(
          tokenizer.encode(text, specialTokens: .parse), try XCTUnwrap(row["hf_fast_ids"]?.ids),
          text)
      }
      let decoded = try XCTUnwrap(row["sp_decode"]?.stringValue)
      guard !ids.isEmpty else { continue }
      XCTAssertEqual(
        tokenizer.decodeText(ids, skippingSpecialTokens: true), Array((" " + decoded).utf8), text)
    }
  }

  func testUnigramFixture() throws {
    let (own, fairseq) = (try unigram(.own), try unigram(.fairseq))
    XCTAssertEqual(own.identity.vocabularySize, 500)
    XCTAssertEqual(fairseq.identity.vocabularySize, 502)
    XCTAssertNotEqual(own.identity.digest, fairseq.identity.digest)
    let rows = try rows("sentencepiece-unigram")
    XCTAssertEqual(rows.count, 46)
    for row in rows {
      let text = try XCTUnwrap(row["text"]?.stringValue)
      XCTAssertEqual(
        own.encode(text, specialTokens: .text), try XCTUnwrap(row["sp_ids"]?.ids), text)
      let framed = [0] + fairseq.encode(text, specialTokens: .parse) + [2]
      XCTAssertEqual(framed, try XCTUnwrap(row["xlmr_ids"]?.ids), text)
    }
  }

  /// Parts, and the cuts inside of `encode`, give what the library gives for the whole text.
  func testPartsGiveTheIdsOfTheWhole() throws {
    let tokenizer = try bytePair()
    let rows = try rows("sentencepiece-bpe")
    let prose = rows.compactMap { $0["text"]?.stringValue }.joined(separator: " ")
    var text = Array(prose.utf8)
    for _ in 0..<3 { text += text }
    let whole = tokenizer.encode(text, specialTokens: .text)
    for size in [1, 7, 100, 5000] {
      let ids = text.withUnsafeBufferPointer { text in
        tokenizer.independentParts(of: text, size: size).flatMap {
          tokenizer.encode(UnsafeBufferPointer(rebasing: text[$0]), specialTokens: .text)
        }
      }
      XCTAssertEqual(ids, whole, "\(size)")
    }
  }

  func testMalformedModelsAreRefused() throws {
    let model = try fixtureBytes("sentencepiece-unigram/unigram.model")
    func open(_ bytes: [UInt8]) throws {
      _ = try bytes.withUnsafeBytes { try SentencePieceTokenizer(model: $0) }
    }
    XCTAssertNoThrow(try open(model))
    for bytes in [[], [0x0a], Array(model.prefix(1000)), [UInt8](repeating: 0xa5, count: 4096)] {
      XCTAssertThrowsError(try open(bytes)) {
        XCTAssertEqual("\($0)", "not a SentencePiece model")
      }
    }
  }
}
