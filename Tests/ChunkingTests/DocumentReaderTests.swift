import Chunking
import Foundation
import TestSupport
import XCTest

final class DocumentReaderTests: XCTestCase {
  /// All documents of an input that arrives `step` bytes a read.
  private func documents(
    _ bytes: [UInt8], name: String = "in", format: DocumentFormat = .auto, step: Int = 7
  ) throws -> [RawDocument] {
    var position = 0
    let reader = DocumentReader(name: name, format: format) { buffer in
      let count = min(step, buffer.count, bytes.count - position)
      buffer.copyBytes(from: bytes[position..<position + count])
      position += count
      return count
    }
    var result = [RawDocument]()
    while let document = try reader.next() { result.append(document) }
    XCTAssertNil(try reader.next(), "the end is not the end")
    return result
  }

  private func texts(_ input: String, format: DocumentFormat = .auto) throws -> [String] {
    try [1, 2, 3, 1 << 20].map { step in
      try documents(Array(input.utf8), format: format, step: step).map {
        String(decoding: $0.bytes, as: UTF8.self)
      }
    }.reduce(nil) { (known: [String]?, next) in
      if let known { XCTAssertEqual(known, next) }
      return next
    }!
  }

  private func message(_ body: @autoclosure () throws -> some Any) -> String? {
    do {
      _ = try body()
      return nil
    } catch {
      return "\(error)"
    }
  }

  func testLines() throws {
    XCTAssertEqual(try texts("{\"a\":1}\n{}\n"), ["{\"a\":1}", "{}"])
    XCTAssertEqual(try texts("\n  \n{}\r\n\n{\"b\":2}"), ["{}\r", "{\"b\":2}"])
    XCTAssertEqual(try texts("\u{feff}{}\n{}"), ["{}", "{}"])
    XCTAssertEqual(try texts("[]\n{}", format: .jsonl), ["[]", "{}"])
    XCTAssertEqual(
      try documents(Array("\n\n{}\n\n{}".utf8)).map(\.line), [3, 5])
  }

  func testLongDocumentsAreRefused() throws {
    for (format, text, expected) in [
      (
        DocumentFormat.jsonl, "{}\n{\"text\":\"aaaaaaaaaaaaaaaaaaaa\"}",
        "in:2: a document of more than 16 bytes"
      ),
      (.text, "aaaaaaaaaaaaaaaaaaaaaaaaa", "in: a document of more than 16 bytes"),
      (.auto, "                         {}", "in: a document of more than 16 bytes"),
    ] {
      let bytes = Array(text.utf8)
      var position = 0
      let reader = DocumentReader(name: "in", format: format, maximumBytes: 16) { buffer in
        let count = min(2, bytes.count - position)
        buffer.copyBytes(from: bytes[position..<position + count])
        position += count
        return count
      }
      XCTAssertEqual(message(try { while try reader.next() != nil {} }()), expected)
    }
  }

  func testWholeText() throws {
    XCTAssertEqual(try texts("one\ntwo\n"), ["one\ntwo\n"])
    XCTAssertEqual(try texts("{}\n{}\n", format: .text), ["{}\n{}\n"])
    XCTAssertEqual(try texts("\u{feff}BOM"), ["BOM"])
    XCTAssertEqual(try texts("  \n "), ["  \n "])
  }

  func testFormatByName() {
    XCTAssertEqual(DocumentFormat.ofFile(named: "a/b.JSONL.zst"), .jsonl)
    XCTAssertEqual(DocumentFormat.ofFile(named: "b.json"), .jsonl)
    XCTAssertEqual(DocumentFormat.ofFile(named: "b.jsonlines.zstd"), .jsonl)
    XCTAssertEqual(DocumentFormat.ofFile(named: "b.txt.gz"), .text)
    XCTAssertEqual(DocumentFormat.ofFile(named: "README.md"), .text)
    XCTAssertNil(DocumentFormat.ofFile(named: "b.parquet"))
    XCTAssertNil(DocumentFormat.ofFile(named: "b.zst"))
    XCTAssertNil(DocumentFormat.ofFile(named: "standard input"))
  }

  func testNothing() throws {
    for format in DocumentFormat.allCases {
      XCTAssertEqual(try documents([], format: format).count, 0)
    }
    XCTAssertEqual(try documents([10, 10], format: .jsonl).count, 0)
    XCTAssertEqual(try documents([0xef, 0xbb, 0xbf]).count, 0)
  }

  /// Fields that are not read may hold what Python's json writes.
  func testNumbersThatAreNotFinite() throws {
    let parser = DocumentParser(textField: "text", sourceField: "source")
    func text(_ line: String) throws -> String {
      let raw = try documents(Array(line.utf8), format: .jsonl)
      return String(decoding: try parser.document(raw[0]).text, as: UTF8.self)
    }
    XCTAssertEqual(
      try text(#"{"a": NaN, "b": [-Infinity, {"c": Infinity}], "text": "x"}"#), "x")
    for bad in ["Nan", "-NaN", "Inf", "-Infinit", "nan"] {
      XCTAssertThrowsError(try text(#"{"a": \#(bad), "text": "x"}"#), bad)
    }
  }

  func testLongLine() throws {
    let line =
      Array("{\"text\":\"".utf8) + [UInt8](repeating: 0x61, count: 20_000_000)
      + Array("\"}\n".utf8)
    let clock = ContinuousClock()
    let time = try clock.measure {
      let found = try documents(line + line, step: 1 << 16)
      XCTAssertEqual(found.map(\.bytes.count), [line.count - 1, line.count - 1])
      let parser = DocumentParser(textField: "text", sourceField: "source")
      XCTAssertEqual(try parser.document(found[0]).text.count, 20_000_000)
    }
    XCTAssertLessThan(time, .seconds(3))
  }

  // MARK: - JSON

  private func parse(_ line: [UInt8]) throws -> Document {
    let parser = DocumentParser(textField: "text", sourceField: "meta.set")
    let raw = try documents(line, name: "x.jsonl").first
    return try parser.document(try XCTUnwrap(raw))
  }

  private func parse(_ line: String) throws -> Document { try parse(Array(line.utf8)) }

  func testFields() throws {
    func check(_ line: String, _ text: String, _ source: String = "default", _ at: UInt = #line) {
      XCTAssertEqual(
        try? parse(line), Document(text: Array(text.utf8), source: source), line: at)
    }
    check(#"{"text":"a","meta":{"set":"S"}}"#, "a", "S")
    check(#" { "meta" : {"x":[1,{"text":"no"}],"set" : "S"} , "text" : "a" } "#, "a", "S")
    check(#"{"text":"a","meta":null}"#, "a")
    check(#"{"text":"a","meta":"set"}"#, "a")
    check(#"{"text":"a","meta":{"set":null}}"#, "a")
    check(#"{"text":"a","text":"b"}"#, "b")
    check(#"{"text":"","n":[-1.5e+3,0,true,false,null,{}],"e":[]}"#, "")
    check(#"{"te\u0078t":"a"}"#, "a")
    check(#"{"text":"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00"}"#, "\"\\/\u{8}\u{c}\n\r\té€😀")
    check(#"{"text":"\ud800"}"#, "\u{fffd}")
    check(#"{"text":"\udc00x\ud83dx\ud83d\ud83d\ude00"}"#, "\u{fffd}x\u{fffd}x\u{fffd}😀")
    check(#"{"text":"é😀"}"#, "é😀")
  }

  func testMessages() {
    func check(_ line: String, _ expected: String, _ at: UInt = #line) {
      XCTAssertEqual(message(try parse(line)), "x.jsonl:1: " + expected, line: at)
    }
    check(#"{"body":"a"}"#, "field text is missing")
    check(#"{"text":null}"#, "field text is missing")
    check(#"{"text":3}"#, "field text is not a string")
    check(#"{"text":{"text":"a"}}"#, "field text is not a string")
    check(#"{"text":"a","meta":{"set":1}}"#, "field meta.set is not a string")
    check(#"{"text":"a""#, "malformed JSON: expected a comma or } at byte 12")
    check(#"{"text":"a"#, "malformed JSON: expected the end of a string at byte 11")
    check(#"{"text":"a"} x"#, "malformed JSON: expected the end of the line at byte 14")
    check(#"{"text":tru}"#, "malformed JSON: expected true at byte 12")
    check(#"["text"]"#, "malformed JSON: expected an object at byte 1")
    check(#"{"text":"\x"}"#, "malformed JSON: expected an escape at byte 11")
    check(#"{"text":"\u12G4"}"#, "malformed JSON: expected four hexadecimal digits at byte 14")
    check("{\"text\":\"\t\"}", "malformed JSON: expected an escaped control character at byte 10")
    check(#"{"a":01}"#, "malformed JSON: expected a comma or } at byte 7")
    check(#"{"a":-}"#, "malformed JSON: expected a digit at byte 7")
  }

  func testNotUTF8() throws {
    XCTAssertEqual(
      message(try parse(Array("{\"text\":\"".utf8) + [0xff] + Array("\"}".utf8))),
      "x.jsonl:1: byte 10 is not UTF-8")
    let raw = try documents([0x61, 0x0a, 0x62, 0x80], name: "x.txt")[0]
    let parser = DocumentParser(textField: "text", sourceField: "source")
    XCTAssertEqual(message(try parser.document(raw)), "x.txt: byte 4 (line 2) is not UTF-8")
  }

  func testDeepNesting() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
      let deep = String(repeating: open, count: 100_000)
      let line = "{\"text\":\"a\",\"x\":" + deep + "1" + String(repeating: close, count: 100_000)
      XCTAssertEqual(
        message(try parse(line + "}"))?.contains("at most 512 levels"), true)
    }
  }

  func testEqualsFoundation() throws {
    // Mutations of a valid line: what Foundation reads, we read alike; what we refuse, it refuses.
    var generator = SplitMix64(seed: 1)
    let seed = Array(#"{"text":"a\u00e9\n","meta":{"set":"S","n":[1,-2.5e3,true]},"z":null}"#.utf8)
    let spare = Array("{}[]\",:\\u0e-+.1ntf \u{7f}".utf8)
    for _ in 0..<5000 {
      var line = seed
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        let at = Int.random(in: 1..<line.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: line[at] = spare.randomElement(using: &generator)!
        case 1: line.remove(at: at)
        default: line.insert(spare.randomElement(using: &generator)!, at: at)
        }
      }
      let theirs = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
      let ours = try? parse(line)
      if let ours {
        let text = String(decoding: line, as: UTF8.self)
        XCTAssertEqual(theirs?["text"] as? String, String(decoding: ours.text, as: UTF8.self), text)
      } else if let theirs, theirs["text"] is String {
        // Foundation takes a comma before a closing bracket.
        let set = (theirs["meta"] as? [String: Any])?["set"]
        let text = String(decoding: line, as: UTF8.self)
        let isLoose = text.contains(",]") || text.contains(",}") || text.contains(", }")
        XCTAssertTrue(isLoose || set != nil && !(set is String), text)
      }
    }
  }
}
