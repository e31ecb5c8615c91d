import Chunking
import Tokenization
import XCTest

final class TokenRowTests: XCTestCase {
  /// Ids 0… are a, b, c, <s>.
  private func documents(_ row: String, keepsSpecialTokens: Bool = false) throws -> [String] {
    let tokenizer = try BytePairTokenizer(
      tokens: ["a", "b", "c", "<s>"], merges: [], tokenTypes: [1, 1, 1, 3], preTokenizer: "gpt-2")
    let parser = DocumentParser(idsOf: tokenizer, keepsSpecialTokens: keepsSpecialTokens)
    var bytes = Array(row.utf8)[...]
    let reader = DocumentReader(name: "x", format: .jsonl) { buffer in
      defer { bytes = [] }
      buffer.copyBytes(from: bytes)
      return bytes.count
    }
    return try parser.documents(try XCTUnwrap(reader.next())).map {
      "\($0.source)=\(String(decoding: $0.text, as: UTF8.self))"
    }
  }

  private func fault(_ row: String) -> String {
    do { return "no fault: \(try documents(row))" } catch { return "\(error)" }
  }

  private let ids = #""input_ids":[3,0,1,2,0]"#

  func testSpansAreDocuments() throws {
    let row = """
      {\(ids),"labels":1,"source":[{"source":"A","start":0,"end":2},{"end":4,"source":"B","start":3}]}
      """
    XCTAssertEqual(try documents(row), ["A=a", "default=b", "B=c", "default=a"])
    XCTAssertEqual(
      try documents(row, keepsSpecialTokens: true), ["A=<s>a", "default=b", "B=c", "default=a"])
    XCTAssertEqual(try documents("{\(ids)}"), ["default=abca"])
  }

  func testFaults() {
    XCTAssertEqual(fault("{}"), "x:1: not a row of input_ids and source: input_ids is missing")
    XCTAssertEqual(
      fault(#"{"input_ids":["a"]}"#),
      "x:1: not a row of input_ids and source: input_ids is of another type")
    XCTAssertEqual(
      fault(#"{"input_ids":[1"#),
      "x:1: not a row of input_ids and source: malformed JSON, or a number out of range")
    XCTAssertEqual(
      fault(#"{"input_ids":[0,4]}"#), "x:1: id 4 at 1 is not of the ids' tokenizer, 0..<4")
    for span in ["-1,\"end\":1", "3,\"end\":2", "0,\"end\":6", "9223372036854775807,\"end\":1"] {
      let row = "{\(ids),\"source\":[{\"source\":\"A\",\"start\":\(span)}]}"
      XCTAssertTrue(fault(row).hasSuffix("is not in 0...5"), fault(row))
    }
  }
}
