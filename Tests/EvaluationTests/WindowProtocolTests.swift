import Evaluation
import Foundation
import Safetensors
import TestSupport
import XCTest

final class WindowProtocolTests: XCTestCase {
  private func window(_ length: Int, stride: Int, last: Int) -> WindowProtocol {
    WindowProtocol(
      length: length, stride: stride, lastContext: last, prefillTokens: 128, filterLength: 32767,
      bos: true)
  }

  /// The published program's label masks.
  func testLabelsArePublished() throws {
    for fixture in try XCTUnwrap(fixtureJSON("eval-windows.json").arrayValue) {
      let length = try XCTUnwrap(fixture["seq_len"]?.intValue)
      let rules = window(
        length, stride: try XCTUnwrap(fixture["sliding_window"]?.intValue), last: 2048)
      for name in ["first_labelled", "n_labelled"] {
        let found = name == "n_labelled" ? length - rules.firstLabelled : rules.firstLabelled
        let published = try XCTUnwrap(fixture[name]?.arrayValue)
        XCTAssertEqual(Set(published.compactMap(\.intValue)), [found])
      }
    }
  }

  /// With a window longer than the last context exactly as many predictions as that has tokens, the
  /// first one made by the token before it; otherwise nothing predicts the window's first token.
  func testScoredTokens() {
    XCTAssertEqual(window(32768, stride: 32768, last: 2048).firstScored, 32768 - 2048)
    XCTAssertEqual(window(2048, stride: 2048, last: 2048).firstScored, 1)
    XCTAssertEqual(window(1024, stride: 1024, last: 2048).firstScored, 1)
    XCTAssertEqual(window(4096, stride: 512, last: 2048).firstScored, 4096 - 512)
  }

  func testWindowsAreNumberedInTheirDocument() {
    var places = WindowPlaces()
    var found: [[Int]] = []
    for (window, origin) in [(0, 0), (0, 0), (1, 0), (1, 0), (2, 4), (3, 4), (4, 5)] {
      let isNew = places.enter(window: window, of: origin)
      found.append([isNew ? 1 : 0, places.index])
    }
    XCTAssertEqual(found, [[1, 0], [0, 0], [1, 1], [0, 1], [1, 0], [1, 1], [1, 0]])
  }

  func testTextOfAnotherWindowBeginsAWord() {
    var units = TextUnits()
    units.add("two wo".utf8)
    units.endText()
    units.add("rds\u{3000}more".utf8)
    XCTAssertEqual(units.words, 4)
    units.endText()
    XCTAssertEqual(units.words, 4)
    units.add([0xE3])
    units.endText()
    XCTAssertEqual(units.words, 5)
  }

  private func result(
    _ context: ContextLabel? = nil, ropeScaling: String? = nil, window: WindowProtocol? = nil,
    shift: Double = 0
  ) throws -> LanguageModelResult {
    let sample = try Samples.result(shift: shift)
    return try LanguageModelResult(
      toolVersion: "1", window: window,
      system: SystemLabel(model: Samples.model, context: context, ropeScaling: ropeScaling),
      chunksDigest: sample.chunksDigest, documents: sample.documents)
  }

  func testJSONRoundTrip() throws {
    let contexts = [
      LocalContext(tokens: nil), LocalContext(tokens: 512, sinks: 4),
      LocalContext(tokens: 9, mode: .reread),
    ]
    for rules in contexts {
      let own = try result(
        ContextLabel(rules: rules, cacheBytes: 12), ropeScaling: "yarn:4",
        window: window(4096, stride: 512, last: 2048))
      let text = own.json.encoded
      XCTAssertEqual(try LanguageModelResult(json: JSONValue(parsing: text.utf8)), own)
      let other = text.replacingOccurrences(
        of: "\"protocol\":\"window\"", with: "\"protocol\":\"x\"")
      XCTAssertEqual(
        message { try LanguageModelResult(json: JSONValue(parsing: other.utf8)) },
        "protocol: x, but the window's parameters say window")
    }
  }

  /// Contexts are systems of their own, compared with the segment alone.
  func testReportNamesContexts() throws {
    let window = window(4096, stride: 512, last: 2048)
    let systems: [(ContextLabel?, String?)] = [
      (nil, nil), (ContextLabel(rules: LocalContext(tokens: nil), cacheBytes: 5_000_000), nil),
      (ContextLabel(rules: LocalContext(tokens: 512, sinks: 4), cacheBytes: 1_500_000), "linear:4"),
      (ContextLabel(rules: LocalContext(tokens: 512, mode: .reread), cacheBytes: 0), nil),
    ]
    let report = try Report(
      systems.enumerated().map { index, system in
        Report.Entry(
          name: "\(index).json",
          result: try result(
            system.0, ropeScaling: system.1, window: window, shift: -0.1 * Double(index)))
      })
    let text = report.markdown()
    for part in [
      "Protocol `window`, as published: of windows of 4,096 tokens, one every 512, the last 512 "
        + "tokens are scored",
      "| base | off | — | window |", "| base, full context | off | — | window |",
      "| base, context 512 + 4 sinks, RoPE linear:4 | off |",
      "| base, context 512, read again | off |", "| reference |", "| 5.0 |", "| 1.5 |",
    ] {
      XCTAssertTrue(
        text.contains(part), "\(part)\n\(text)")
    }
    XCTAssertEqual(text.components(separatedBy: "| reference |").count, 2)
    XCTAssertTrue(text.contains("-0.2"), text)
  }
}
