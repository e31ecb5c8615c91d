import Safetensors
import TestSupport
import XCTest

/// Damaged JSON is refused or read, and what is read is written and read again as the same.
final class JSONFuzzTests: XCTestCase {
  func testJSON() throws {
    let seed = #"""
      {"a": [1, -2.5e3, true, null, {"b\u00e9\ud83d\ude00": "\n\"x\\"}], "n": 9223372036854775807,
       "deep": [[[[[[{}]]]]]], "f": 1e-300, "t": "naïve ▁"}
      """#
    try fuzz("json", seeds: [Array(seed.utf8)]) { bytes in
      guard let value = try? JSONValue(parsing: bytes) else { return }
      let again = try JSONValue(parsing: value.encodedBytes())
      XCTAssertEqual(again, value)
    }
  }
}
