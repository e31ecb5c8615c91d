import Safetensors
import TestSupport
import XCTest

final class JSONTests: XCTestCase {
  func testParses() throws {
    let text = #" {"a": [1, -2.5e3, true, null, "x\n\u00e9\ud83d\ude00\/"], "b": {}, "a2": []} "#
    let value = try JSONValue(parsing: text)
    XCTAssertEqual(
      value,
      ["a": [1, -2500.0, true, nil, "x\né😀/"], "b": [:], "a2": []])
    XCTAssertEqual(value["a"]?.arrayValue?[0].intValue, 1)
    XCTAssertEqual(value["a"]?.arrayValue?[1].doubleValue, -2500)
  }

  func testEncodingIsSortedAndReadsBack() throws {
    let value: JSONValue = ["b": 1, "a": ["\"\\\u{1}\t", 0.1, nil, false], "é": [:], "c": []]
    XCTAssertEqual(
      value.encoded, #"{"a":["\"\\\u0001\t",0.1,null,false],"b":1,"c":[],"é":{}}"#)
    XCTAssertEqual(try JSONValue(parsing: value.encoded), value)
    XCTAssertEqual(try JSONValue(parsing: value.prettyEncoded), value)
    XCTAssertTrue(value.prettyEncoded.hasPrefix("{\n  \"a\": [\n    "))
  }

  func testNumbersKeepTheirKind() throws {
    XCTAssertEqual(try JSONValue(parsing: "9223372036854775807"), .integer(.max))
    XCTAssertEqual(try JSONValue(parsing: "-9223372036854775808"), .integer(.min))
    XCTAssertEqual(try JSONValue(parsing: "9223372036854775808"), .number(0x1p63))
    XCTAssertEqual(try JSONValue(parsing: "1e2").intValue, 100)
    XCTAssertNil(try JSONValue(parsing: "1e300").intValue)
  }

  /// What Python's json writes for floats that are not finite.
  func testNumbersThatAreNotFinite() throws {
    let value = try JSONValue(parsing: #"{"a": NaN, "b": [Infinity, -Infinity], "c": 1}"#)
    XCTAssertEqual(value["a"]?.doubleValue?.isNaN, true)
    XCTAssertNil(value["a"]?.intValue)
    XCTAssertEqual(value["b"], [.number(.infinity), .number(-.infinity)])
    XCTAssertEqual(value["c"], 1)
  }

  func testRefuses() {
    let bad = [
      "", " ", "{", "[1,", "[1 2]", "{\"a\"}", "{\"a\":1,}", "[,]", "01", "-", "1.", "1e", "+1",
      "nul", "Na", "-NaN", "Infinite", "-Inf", "nan", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\u{1}\"",
      "{} {}", "1e999", "'a'", "\u{0}", "-01",
      String(repeating: "[", count: 100_000),
    ]
    for text in bad { XCTAssertThrowsError(try JSONValue(parsing: text), text) }
    for bytes: [UInt8] in [
      [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
    ] {
      XCTAssertThrowsError(try JSONValue(parsing: bytes))
    }
  }

  func testLoneSurrogatesBecomeReplacements() throws {
    XCTAssertEqual(try JSONValue(parsing: #""\ud800x\udc00""#), "\u{fffd}x\u{fffd}")
    XCTAssertEqual(try JSONValue(parsing: #""\ud800\u0041""#), "\u{fffd}A")
  }
}
