import Evaluation
import Safetensors
import TestSupport
import XCTest

final class InContextTests: XCTestCase {
  /// Template, question, demonstration and accepted predictions of the published code.
  func testPublishedPrompts() throws {
    let facts = try fixtureJSON("icl/prompts.json")
    let template = InContextTask.sst2.template
    XCTAssertEqual(template.text, facts["template"]?.stringValue)
    XCTAssertEqual(template.question("a fine film"), facts["query_prefix"]?.stringValue)
    XCTAssertEqual(
      template.demonstration("a fine film", label: "positive"), facts["demo"]?.stringValue)
    let cases = try XCTUnwrap(facts["accept"]?.arrayValue)
    XCTAssertEqual(cases.count, 5)
    for item in cases {
      let prediction = try XCTUnwrap(item["pred"]?.stringValue)
      let label = try XCTUnwrap(item["label"]?.stringValue)
      XCTAssertEqual(
        InContextRule.accepts(prediction, label: label), item["ok"]?.boolValue, prediction)
    }
    XCTAssertTrue(InContextRule.accepts("\u{3000}good\u{1C}", label: "good"))
    XCTAssertFalse(InContextRule.accepts("goods", label: "good"))
    XCTAssertEqual(InContextTask.subj.template.question("x"), "Input: x Type:")
  }

  /// As the published loaders read: quotation marks stay, but for those at Subj's ends.
  func testParsing() throws {
    func parse(_ task: InContextTask, _ text: String) throws -> [LabelledText] {
      try task.parse(Array(text.utf8))
    }
    XCTAssertEqual(
      try parse(.sst2, "sentence\tlabel\ngood , \tx\n".replacing("\tx", with: "\t1")),
      [LabelledText(text: "good , ", label: 1)])
    XCTAssertEqual(
      try parse(.mr, "0,\" \"\"a\"\" , b\"\r\n1,c"),
      [LabelledText(text: "\" \"\"a\"\" , b\"", label: 0), LabelledText(text: "c", label: 1)])
    XCTAssertEqual(
      try parse(.subj, "1,\"\"\"a\"\" b\"\n"), [LabelledText(text: "a\"\" b", label: 1)])
    XCTAssertEqual(try parse(.sst5, "4 a b\n"), [LabelledText(text: "a b", label: 4)])
    let faults: [(InContextTask, String, String)] = [
      (.sst2, "a\t1\nb\n", "line 2: 1 fields, expected 2"),
      (.sst2, "a\tyes\n", "line 1: label yes is not one of 0…1"),
      (.mr, "0,a\n\n1,b\n", "line 2: expected a label, a comma and a text"),
      (.mpqa, "2,a\n", "line 1: label 2 is not one of 0…1"),
      (.sst5, "1,a\n", "line 1: expected a label, a space and a text"),
      (.subj, "", "holds no example"),
    ]
    for (task, text, message) in faults {
      XCTAssertThrowsError(try parse(task, text)) { XCTAssertEqual("\($0)", message) }
    }
  }

  /// The context is drawn first, then each item's memory, from one generator.
  func testDrawsFollowOneGenerator() {
    var draws = DemonstrationDraws(population: 100, shots: 3, memory: 4, seed: 2)
    var random = PythonRandom(seed: 2)
    XCTAssertEqual(draws.shots, random.sample(100, 3))
    XCTAssertEqual(draws.nextMemory(), random.sample(100, 4))
    XCTAssertEqual(draws.nextMemory(), random.sample(100, 4))
  }

  /// Files have one label after the other, so a part of them is drawn.
  func testSomeItemsAreDrawn() throws {
    XCTAssertNil(InContextResult.draw(nil, of: 9, seed: 1))
    XCTAssertNil(InContextResult.draw(9, of: 9, seed: 1))
    let drawn = try XCTUnwrap(InContextResult.draw(50, of: 1000, seed: 1))
    XCTAssertEqual(Set(drawn).count, 50)
    XCTAssertEqual(drawn, drawn.sorted())
    XCTAssertGreaterThan(drawn.count { $0 >= 500 }, 10)
    XCTAssertNotEqual(drawn, InContextResult.draw(50, of: 1000, seed: 2))
    var result = try Self.result()
    result.drawn = [3, 5, 8, 9]
    XCTAssertEqual(try InContextResult(json: result.json), result)
    result.drawn = [3]
    XCTAssertThrowsError(try InContextResult(json: result.json))
  }

  static func result() throws -> InContextResult {
    let file = InContextResult.DataFile(name: "train.tsv", digest: "aa", examples: 9)
    return try InContextResult(
      toolVersion: "0.1.0", task: .sst2, model: Samples.model, adapter: nil,
      memory: TaskMemory(
        selection: "nearest", topK: 8, memoryTokens: 65536, chunkTokens: 128, eviction: "counter",
        queryTokens: 256, retriever: .init(name: "minilm", digest: "cc")),
      train: file, test: file, addsBeginToken: true, targets: [1, 0, 1, 0],
      runs: [
        InContextRun(
          shots: 4, memoryShots: 2, seed: 1, predictions: [" pos", "neg", "", "x"],
          logLikelihoods: [[-2, -1], [-2, -1], [-2, -1], [-2, -1]]),
        InContextRun(
          shots: 4, memoryShots: 2, seed: 2, predictions: ["p", "n", "positive", "negative"],
          logLikelihoods: [[-2, -1], [-1, -2], [-2, -1], [-2, -1]]),
      ])
  }

  func testAccuraciesAndDeviation() throws {
    let result = try Self.result()
    XCTAssertEqual(result.correct(result.runs[0], .prefix), [true, true, false, false])
    XCTAssertEqual(result.correct(result.runs[1], .likelihood), [true, true, true, false])
    let summaries = result.summaries
    XCTAssertEqual(summaries.map(\.rule), [.prefix, .likelihood])
    XCTAssertEqual(summaries.map(\.mean), [0.75, 0.625])
    XCTAssertEqual(summaries.map(\.deviation), [0.25, 0.125])
    XCTAssertEqual(summaries[0].seeds, [1, 2])
  }

  func testJSONReadsBack() throws {
    let result = try Self.result()
    let text = result.json.prettyEncoded
    XCTAssertEqual(try InContextResult(json: try JSONValue(parsing: text)), result)
    XCTAssertThrowsError(
      try InContextResult(json: try JSONValue(parsing: text.replacing("-2.0", with: "\"-2\""))))
    var cut = result
    cut.targets.removeLast()
    XCTAssertThrowsError(try InContextResult(json: cut.json)) {
      XCTAssertTrue("\($0)".contains("runs[0]"), "\($0)")
    }
  }
}
