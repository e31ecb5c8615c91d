import Chunking
import TestSupport
import Tokenization
import XCTest

final class DocumentEncoderTests: XCTestCase {
  /// Printable ASCII, space and line end, without merges but one.
  private func tokenizer() throws -> BytePairTokenizer {
    let tokens = (33...126).map { String(Unicode.Scalar(UInt8($0))) } + ["Ġ", "Ċ", "ab"]
    return try BytePairTokenizer(
      tokens: tokens, merges: ["a b"], tokenTypes: [Int](repeating: 1, count: tokens.count),
      preTokenizer: "gpt-2")
  }

  private func encoder(threads: Int) throws -> DocumentEncoder {
    DocumentEncoder(
      tokenizer: try tokenizer(),
      parser: DocumentParser(textField: "text", sourceField: "source"),
      specialTokens: .parse, threads: threads)
  }

  private func encode(_ batch: [RawDocument], threads: Int) throws -> [EncodedDocument] {
    let encoder = try encoder(threads: threads)
    let (documents, failure) = encoder.parse(batch)
    if let failure { throw failure }
    return encoder.encode(documents.flatMap(\.self))
  }

  private func batch(_ lines: [String]) throws -> [RawDocument] {
    let bytes = Array(lines.joined(separator: "\n").utf8)
    var isRead = false
    let reader = DocumentReader(name: "x", format: .jsonl) { buffer in
      if isRead { return 0 }
      isRead = true
      buffer.copyBytes(from: bytes)
      return bytes.count
    }
    var readers = [reader][...]
    return try XCTUnwrap(DocumentBatches { readers.popFirst() }.next())
  }

  func testThreadsGiveTheSame() throws {
    var generator = SplitMix64(seed: 1)
    let lines = (0..<40).map { number in
      let words = (0..<Int.random(in: 0...(number == 3 ? 90_000 : 40), using: &generator)).map {
        _ in
        ["ab", "abab", "x", "y z"].randomElement(using: &generator)!
      }
      return "{\"text\":\"\(words.joined(separator: " "))\",\"source\":\"\(number % 3)\"}"
    }
    let batch = try batch(lines)
    let one = try encode(batch, threads: 1)
    XCTAssertEqual(one.count, 40)
    for threads in [2, 3, 7] {
      XCTAssertEqual(try encode(batch, threads: threads), one)
    }
    let tokenizer = try tokenizer()
    let parser = DocumentParser(textField: "text", sourceField: "source")
    for (raw, document) in zip(batch, one) {
      let plain = try parser.document(raw)
      XCTAssertEqual(document.ids, tokenizer.encode(plain.text))
      XCTAssertEqual(document.source, plain.source)
      XCTAssertEqual(document.bytes, plain.text.count)
    }
  }

  func testFirstErrorCounts() throws {
    let batch = try batch(["{\"text\":\"\"}", "{", "{}", "{\"text\":1}"])
    for threads in [1, 2, 4] {
      XCTAssertThrowsError(try encode(batch, threads: threads)) {
        XCTAssertEqual("\($0)", "x:2: malformed JSON: expected a key at byte 2")
      }
    }
  }
}
