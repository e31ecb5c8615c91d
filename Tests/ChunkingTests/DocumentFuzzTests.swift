import Chunking
import TestSupport
import XCTest

/// Damaged JSON lines and text are refused or read (see `fuzz`).
final class DocumentFuzzTests: XCTestCase {
  func testJSONLines() throws {
    let seed = #"""
      {"text": "a \ud83d\ude00 \u00e9\n", "meta": {"redpajama_set_name": "books", "x": [1, 2.5e-3]}}
      {"meta": {"a": {"b": null}}, "text": "naïve ▁ \ud800", "n": -0, "l": [[[]]]}

      {"text": ""}
      """#
    let parser = DocumentParser(textField: "text", sourceField: "meta.redpajama_set_name")
    try fuzz("json-lines", seeds: [Array(seed.utf8)]) { bytes in
      for format in [DocumentFormat.auto, .jsonl, .text] {
        var rest = bytes[...]
        let reader = DocumentReader(name: "x", format: format) { buffer in
          let count = min(buffer.count, rest.count)
          buffer.copyBytes(from: rest.prefix(count))
          rest = rest.dropFirst(count)
          return count
        }
        do {
          while let raw = try reader.next() { _ = try parser.document(raw) }
        } catch is DocumentError {}
      }
    }
  }
}
