import Evaluation
import Safetensors
import XCTest

final class ReportBookTests: XCTestCase {
  private static let log = """
    {"step": 1, "loss": 3.5, "learning_rate": 0.0, "gradient_norm": 1.5, "tokens": 1023}
    {"step": 2, "loss": 3.25, "learning_rate": 1e-4, "gradient_norm": 1.25, "tokens": 2046}

    """

  private static let plan = """
    {"plan": {"digest": "00ff00ff00ff00ff", "select": "nearest", "query": "previous"},
     "provenance": [{"tool": "ml-index", "version": "9"}],
     "rows": 9, "retrieving_rows": 8, "hits": 40, "chunks": 64, "never_retrieved": 30,
     "never_retrieved_share": 0.46875, "evictions": 0, "evicted_rows": 0,
     "hit_age": {"count": 40, "mean": 20.5, "quantiles": {},
       "histogram": [{"from": 0, "to": 0, "count": 0}, {"from": 1, "to": 1, "count": 40}]},
     "hits_per_chunk": {"count": 64, "mean": 0.625, "quantiles": {},
       "histogram": [{"from": 0, "to": 0, "count": 24}, {"from": 1, "to": 1, "count": 40}]},
     "live": {"count": 9, "quantiles": {}, "histogram": []},
     "evicted_age": {"count": 0, "quantiles": {}, "histogram": []},
     "regret": {"wanted": 40, "evicted": 4, "evicted_share": 0.1, "blocks": 2,
       "since_eviction": {"count": 4, "mean": 3.0, "quantiles": {},
         "histogram": [{"from": 0, "to": 0, "count": 1}, {"from": 1, "to": 1, "count": 3}]}}}
    """

  private func inputs() throws -> [ReportInput] {
    let files: [(String, String)] =
      try Samples.entries().map { ($0.name, $0.result.json.prettyEncoded) } + [
        ("icl.json", try InContextTests.result().json.prettyEncoded),
        ("needle.json", try NeedleTests.result().json.prettyEncoded),
        ("stage2.jsonl", Self.log), ("plan.json", Self.plan),
      ]
    return try files.map { try ReportInput(name: $0, contents: Array($1.utf8)) }
  }

  /// Of language models alone, what memory brings stands before the report.
  func testLanguageModelsAlone() throws {
    let entries = try Samples.entries()
    let book = try ReportBook(entries.map { .languageModel($0) }, title: "T")
    let parts = book.parts(stem: "r", commands: ["make"])
    XCTAssertEqual(parts.count, 2)
    let report = try Report(entries, title: "T")
    XCTAssertEqual(
      parts[1].markdown,
      report.markdown(figure: "r.svg", differences: "r-differences.svg", commands: ["make"]))
    XCTAssertEqual(parts[1].figures.map(\.address), ["r.svg", "r-differences.svg"])
    XCTAssertEqual(parts[1].figures[0].svg, report.figure())
  }

  /// Sets of texts stand side by side, each system by one name, and then one by one.
  func testSetsSideBySide() throws {
    let entries = try Samples.entries().flatMap { entry in
      try [("pg19", "aa", 0.0), ("proofs", "bb", 0.5)].map { set, chunks, shift in
        let system = entry.result.system
        var memory = system.memory
        memory?.planDigest += set
        return Report.Entry(
          name: entry.name,
          result: try Samples.result(
            adapter: system.adapter?.name, memory: memory,
            shift: shift + (memory?.selection == .nearest ? -0.25 : 0), dataSet: set, chunks: chunks
          ))
      }
    }
    let book = try ReportBook(entries.map { .languageModel($0) }, title: "Books")
    let parts = book.parts(stem: "r", commands: ["make x"])
    XCTAssertEqual(
      parts.map { String($0.markdown.prefix { $0 != "\n" }) },
      ["# What memory brings", "# Books", "# pg19", "# proofs", "# Where the numbers come from"])
    XCTAssertEqual(
      parts.flatMap(\.figures).map(\.address),
      [
        "r-answer.svg", "r-sets.svg", "r.svg", "r-differences.svg", "r-2.svg",
        "r-2-differences.svg",
      ])
    for line in [
      "| texts | chunks | protocol | documents | tokens | scored tokens | words | bytes |",
      "| proofs | `bb` | stream | 2 | 1,029 | 5 | 5 | 10 |",
      "| system | pg19 | proofs |",
      "| trained, random | 6.05 [2.72, 20.09] | 11.02 [4.48, 42.52] |",
      "| trained: retrieved (previous) − random | documents | **-0.3000 [-0.3750, -0.2500]** |"
        + " **-0.3000 [-0.3750, -0.2500]** |",
    ] {
      XCTAssertTrue(parts[1].markdown.contains(line), "\(line)\n\(parts[1].markdown)")
    }
    XCTAssertTrue(parts[2].markdown.contains("## By position"))
    XCTAssertFalse(parts[2].markdown.contains("## Systems"))
    let last = parts[4].markdown
    XCTAssertEqual(last.ranges(of: "| trained, random | tiny").count, 1)
    XCTAssertEqual(last.ranges(of: "| trained, random | c.json |").count, 2)
    XCTAssertTrue(last.contains("make x"))
    let names = entries.flatMap { HarnessExport.files(for: .languageModel($0)).map(\.name) }
    XCTAssertEqual(Set(names).count, names.count)
    XCTAssertTrue(names.contains("results_proofs_c.json"), "\(names)")
  }

  func testPartsOfEveryKind() throws {
    let book = try ReportBook(try inputs(), title: "All")
    let parts = book.parts(stem: "r")
    let headings = parts.map { String($0.markdown.prefix { $0 != "\n" }) }
    XCTAssertEqual(
      headings,
      [
        "# What memory brings", "# All", "# In-context learning: sst-2", "# Retrieval tests",
        "# Retrieval plans",
        "# Training", "# Where the numbers come from",
      ])
    XCTAssertEqual(
      parts.flatMap(\.figures).map(\.address),
      [
        "r-answer.svg", "r.svg", "r-differences.svg", "r-icl-sst-2-prefix.svg",
        "r-icl-sst-2-likelihood.svg",
        "r-needle-1-correct.svg",
        "r-needle-1-first.svg", "r-needle-1-retrieved.svg", "r-hit-age.svg",
        "r-hits-per-chunk.svg", "r-since-eviction.svg", "r-loss.svg", "r-learning-rate.svg",
        "r-gradient-norm.svg",
      ])
    XCTAssertTrue(
      parts[2].markdown.contains("| base, nearest | 4 | 2 | prefix | 75.00 ± 25.00 | — | 2 |"))
    XCTAssertTrue(
      parts[4].markdown.contains(
        "| plan.json | nearest, previous | `00ff00ff00ff` | 9 | 40 | 64 | 46.88 | 0.63 |"))
    XCTAssertTrue(parts[4].markdown.contains("| 10.00 |"))
    XCTAssertTrue(parts[5].markdown.contains("| stage2.jsonl | 2 | 2,046 | 3.5000 | 3.2500 |"))
    XCTAssertFalse(parts[1].markdown.contains("## Provenance"))
    let last = parts[6].markdown
    for line in ["## Systems", "| plan.json | 2 |", "2: ml-index  # 9"] {
      XCTAssertTrue(last.contains(line), "\(line) in:" + last)
    }
    XCTAssertEqual(last.ranges(of: "The steps, each").count, 1)
    for figure in parts.flatMap(\.figures) {
      XCTAssertNoThrow(try wellFormed(figure.svg), figure.address)
    }
    XCTAssertTrue(book.parts(stem: nil).allSatisfy { $0.figures.isEmpty })
  }

  private func wellFormed(_ xml: String) throws {
    var open: [Substring] = []
    for tag in xml.split(separator: "<").dropFirst(0) {
      let name = tag.prefix { $0 != " " && $0 != ">" && $0 != "/" }
      if tag.hasPrefix("/") {
        let closed = tag.dropFirst().prefix { $0 != ">" }
        guard open.popLast() == closed else { throw ResultError("</\(closed)>") }
      } else if tag.firstRange(of: "/>") == nil {
        open.append(name)
      }
    }
    if !open.isEmpty { throw ResultError("\(open)") }
  }

  /// The page asks nothing of anyone: no script, and no address but the name of SVG.
  func testPageStandsAlone() throws {
    let page = try ReportBook(try inputs(), title: "A <title>").html(commands: ["make x"])
    XCTAssertTrue(page.contains("<title>A &lt;title&gt;</title>"))
    XCTAssertFalse(page.contains("<script"))
    let addresses = page.ranges(of: "://").count
    XCTAssertEqual(addresses, page.ranges(of: "xmlns=\"http://www.w3.org/2000/svg\"").count)
    XCTAssertEqual(page.ranges(of: "<svg").count, 14)
    XCTAssertEqual(page.ranges(of: "<figure").count, 14)
    XCTAssertTrue(page.contains("<strong>"), "bold differences")
    XCTAssertTrue(page.contains("<code>make x"), "commands")
    XCTAssertFalse(page.contains("| ---"))
  }

  func testWrongFilesAreNamed() throws {
    let faults: [(String, String)] = [
      ("{\"perplexity\": 12}", "schema is missing"),
      (
        Self.log + "{\"step\": 3}\n", "line 3: step.loss is missing"
      ),
      (
        Self.plan.replacing("\"hits\": 40", with: "\"hits\": -1"),
        "hits: expected a whole number from 0 to 4503599627370496"
      ),
    ]
    for (text, message) in faults {
      XCTAssertThrowsError(try ReportInput(name: "x", contents: Array(text.utf8))) {
        XCTAssertEqual("\($0)", message)
      }
    }
    XCTAssertThrowsError(try ReportBook([], title: ""))
  }

  /// The harness's keys, by which its readers find the numbers.
  func testHarnessFiles() throws {
    let files = try inputs().flatMap(HarnessExport.files(for:))
    XCTAssertEqual(
      files.map(\.name).suffix(6),
      [
        "results_icl.json", "samples_sst-2_4shot_2memory_seed1_icl.jsonl",
        "samples_sst-2_4shot_2memory_seed2_icl.jsonl", "results_needle.json",
        "samples_passkey_1024_needle.jsonl", "samples_passkey_2048_needle.jsonl",
      ])
    let icl = try JSONValue(
      parsing: try XCTUnwrap(files.first { $0.name == "results_icl.json" }).contents)
    let task = "sst-2_4shot_2memory_seed2"
    XCTAssertEqual(icl["results"]?[task]?["acc,none"]?.doubleValue, 0.75)
    XCTAssertEqual(icl["results"]?[task]?["acc_stderr,none"]?.doubleValue, 0.25)
    XCTAssertEqual(icl["n-shot"]?[task]?.intValue, 4)
    let samples = try XCTUnwrap(files.first { $0.name == "samples_\(task)_icl.jsonl" }).contents
    XCTAssertEqual(samples.split(separator: "\n").count, 4)
    let lm = try JSONValue(parsing: files[0].contents)
    let entry = try Samples.entries()[0].result
    XCTAssertEqual(
      lm["results"]?["memlong_lm_stream"]?["word_perplexity,none"]?.doubleValue,
      entry.wordPerplexity)
  }
}
