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
    let (documents, failures) = encoder.parse(batch)
    if let failure = failures.first { throw failure }
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
    return try XCTUnwrap(DocumentBatches { readers.popFirst() }.next()).documents
  }

  private func reader(_ name: String, _ text: String, fails: Bool = false) -> DocumentReader {
    var rest = Array(text.utf8)[...]
    return DocumentReader(name: name, format: .jsonl) { buffer in
      if rest.isEmpty && fails { throw DocumentError("\(name): cut") }
      let count = min(buffer.count, rest.count)
      buffer.copyBytes(from: rest.prefix(count))
      rest = rest.dropFirst(count)
      return count
    }
  }

  func testEmptyAndFailingInputs() throws {
    func batches(skips: Bool) -> DocumentBatches {
      var readers = [
        reader("a", "{}\n"), reader("b", ""), reader("c", "{}\n{}\n", fails: true),
        reader("d", "{}\n"),
      ][...]
      return DocumentBatches(skipsFailures: skips) { readers.popFirst() }
    }
    let all = batches(skips: true)
    let batch = try XCTUnwrap(all.next())
    XCTAssertEqual(batch.documents.map(\.file), ["a", "c", "c", "d"])
    XCTAssertEqual(batch.empty, ["b"])
    XCTAssertEqual(batch.failures, ["c: cut"])
    XCTAssertNil(try all.next())
    let some = batches(skips: false)
    XCTAssertEqual(try some.next()?.documents.map(\.file), ["a", "c", "c"])
    XCTAssertThrowsError(try some.next()) { XCTAssertEqual("\($0)", "c: cut") }
  }

  func testFailingLinesAreSkipped() throws {
    let batch = try batch(["{\"text\":\"a\"}", "{", "{\"text\":\"b\"}"])
    let encoder = try encoder(threads: 2)
    let some = encoder.parse(batch)
    XCTAssertEqual([some.documents.count, some.failures.count], [1, 1])
    let all = encoder.parse(batch, skipsFailures: true)
    XCTAssertEqual(all.documents.map(\.count), [1, 0, 1])
    XCTAssertEqual(all.failures.count, 1)
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
