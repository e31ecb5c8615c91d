import Evaluation
import Foundation
import Modeling
import Safetensors
import XCTest

#if canImport(FoundationXML)
  import FoundationXML
#endif

final class ReportTests: XCTestCase {
  func testGolden() throws {
    let report = try Report(Samples.entries())
    let text = report.markdown(
      figure: "perplexity.svg", differences: "differences.svg", commands: ["make PIPELINE=tiny"])
    XCTAssertEqual(text.split(separator: "\n"), goldenReport.split(separator: "\n"))
    XCTAssertEqual(text, goldenReport)
  }

  func testOrderOfResultsDoesNotMatter() throws {
    let entries = try Samples.entries()
    let report = try Report(entries)
    for shuffled in [Array(entries.reversed()), Array(entries[2...] + entries[..<2])] {
      let other = try Report(shuffled)
      XCTAssertEqual(other.markdown(showsCost: true), report.markdown(showsCost: true))
      XCTAssertEqual(other.figure(), report.figure())
    }
  }

  func testRefusesOtherTokens() throws {
    let base = Report.Entry(name: "off.json", result: try Samples.result())
    let moved = try Samples.result(memory: Samples.memory(.recent), chunks: "fedcba9876543210")
    XCTAssertEqual(
      message { try Report([base, .init(name: "recent.json", result: moved)]) },
      "results score different tokens: off.json (chunks 0123456789ab, 5 tokens of 2 documents) "
        + "and recent.json (chunks fedcba987654, 5 tokens of 2 documents)")

    var documents = base.result.documents
    documents[0].segmentTokens = [2]
    let fewer = try LanguageModelResult(
      toolVersion: "1", system: SystemLabel(model: Samples.model, memory: Samples.memory(.random)),
      chunksDigest: base.result.chunksDigest, documents: documents)
    XCTAssertEqual(
      message { try Report([.init(name: "x.json", result: fewer), base]) }?
        .contains("off.json (chunks 0123456789ab, 5 tokens of 2 documents) and x.json (chunks 0"),
      true)
  }

  func testRefusesNothingAndTwice() throws {
    XCTAssertEqual(message { try Report([]) }, "no results to report")
    let result = try Samples.result()
    XCTAssertEqual(
      message {
        try Report([.init(name: "b.json", result: result), .init(name: "a.json", result: result)])
      }, "two results of one system: a.json and b.json")
  }

  func testWithoutReferenceAndWithAmbiguousRows() throws {
    var others = Array(repeating: Samples.memory(.nearest), count: 4)
    others[0].topK = 4
    others[1].queryTokens = 128
    others[2].planDigest = "of another retriever"
    let entries = try others.enumerated().map {
      Report.Entry(name: "\($0).json", result: try Samples.result(memory: $1))
    }
    let text = try Report(entries).markdown()
    for name in ["k 4", "k 8, query tokens 128", "k 8 (2.json)", "k 8 (3.json)"] {
      XCTAssert(text.contains("| base, \(name) | retrieved | previous | stream |"), text)
    }
    XCTAssert(text.contains("| 5 | — |\n"), text)
    XCTAssertFalse(text.contains("!["))
    XCTAssertFalse(text.contains("## Commands"))
  }

  /// Layouts of a memory are systems of their own, each with its own controls.
  func testPairsKeepToTheirLayout() throws {
    let layouts = MemoryConfiguration.Source.allCases.map {
      MemoryConfiguration(memoryLayer: 1, retrievalLayers: [1, 2], source: $0)
    }
    let entries = try layouts.flatMap { layout in
      try [MemoryLabel.Selection.nearest, .recent].map { selection in
        var memory = Samples.memory(selection)
        memory.layout = layout
        return Report.Entry(
          name: "\(layout.source)-\(selection)",
          result: try Samples.result(
            memory: memory, shift: selection == .recent ? 0 : layout.source == .own ? -0.5 : 0.5))
      }
    }
    let text = try Report(entries + [.init(name: "off", result: try Samples.result())]).markdown()
    let pairs = text.split(separator: "\n").filter { $0.contains(" − ") && $0.contains("segments") }
    XCTAssertEqual(
      pairs.map { $0.components(separatedBy: " | ")[0] },
      [
        "| base, source own: retrieved (previous) − recent",
        "| base, source own, retrieved (previous) − base, memory off",
        "| base, source shared: retrieved (previous) − recent",
        "| base, source shared, retrieved (previous) − base, memory off",
      ].sorted().map { $0 })
    XCTAssert(pairs[0].contains("**-0.6000 [") || pairs[1].contains("**-0.6000 ["), text)
    XCTAssert(text.contains("| each layer its own | 1 2 | zero |"), text)
  }

  func testHostileNamesStayText() throws {
    let name = "x|y\n# z <script>\u{1}&\"`]]>"
    let step: JSONValue = ["tool": .string(name), "arguments": [.string(name)]]
    let entries = [
      Report.Entry(name: name, result: try Samples.result()),
      Report.Entry(
        name: "other", result: try Samples.result(adapter: name, provenance: [step, 3, "x"])),
      Report.Entry(name: "third", result: try Samples.result(adapter: "plain")),
    ]
    let report = try Report(entries, title: name)
    let text = report.markdown()
    XCTAssertFalse(text.contains("\n# z"))
    XCTAssertFalse(text.contains("| <script>"))
    XCTAssert(text.contains(##"x\|y \# z \<script\> \&"\`\]\]\>"##), text)
    try checkXML(report.figure())
  }

  func testFigureIsWellFormed() throws {
    let figure = try Report(Samples.entries()).figure()
    try checkXML(figure)
    for label in ["base, memory off", "trained, retrieved (current) †", "1–2k"] {
      XCTAssert(figure.contains(">\(label)</text>"), label)
    }
  }

  /// A perplexity that runs away turns the axis logarithmic rather than flattening the others.
  func testFigureOfWideRange() throws {
    let entries = try [nil, Samples.memory(.recent)].enumerated().map { index, memory in
      Report.Entry(
        name: "\(index)",
        result: try Samples.result(memory: memory, shift: Double(index) * 100))
    }
    let figure = try Report(entries).figure()
    try checkXML(figure)
    XCTAssertFalse(figure.contains("nan") || figure.contains("inf"))
    XCTAssertLessThan(figure.components(separatedBy: "class=\"grid\"").count, 16)
  }

  private func checkXML(_ text: String) throws {
    let parser = XMLParser(data: Data(text.utf8))
    XCTAssert(parser.parse(), "\(String(describing: parser.parserError))\n\(text)")
  }
}
