import Evaluation
import Modeling
import XCTest

/// The report's first sentences: what they say follows from the intervals.
final class ReportAnswerTests: XCTestCase {
  private let layout = MemoryConfiguration(
    memoryLayer: 0, retrievalLayers: [0, 1], positions: .continual, source: .own, chunkTokens: 128)

  /// Three documents of 3072 tokens; the losses of the last 1024 move by `shifts`, one a document.
  private func entry(
    _ name: String, _ memory: MemoryLabel.Selection?, context: Int, shifts: [Double],
    query: MemoryLabel.Query = .previous
  ) throws -> Report.Entry {
    var label = memory.map { Samples.memory($0, query) }
    label?.layout = layout
    label?.layoutName = .all
    label?.contextTokens = 2048
    let documents = shifts.enumerated().map { index, shift in
      DocumentScore(
        document: index, tokens: 3072, words: 10, bytes: 100,
        segmentTokens: [1023, 1024, 1024], segmentNLL: [1023, 1024, 1024 * (1 + shift)])
    }
    let system = SystemLabel(
      model: Samples.model, memory: label,
      context: ContextLabel(
        rules: LocalContext(tokens: context, sinks: 4), cacheBytes: 1))
    return Report.Entry(
      name: name,
      result: try LanguageModelResult(
        toolVersion: "1", system: system, dataSet: "code", chunksDigest: "0123456789abcdef",
        documents: documents))
  }

  private func answer(_ off: [Double], longer: [Double]?, recent: [Double]? = nil) throws -> String
  {
    let zero = [0.0, 0, 0]
    var entries = [
      try entry("off", nil, context: 2052, shifts: off),
      try entry("retrieved", .nearest, context: 2052, shifts: zero),
      try entry("future", .nearest, context: 2052, shifts: [-9, -9, -9], query: .current),
    ]
    if let longer { entries.append(try entry("longer", nil, context: 3076, shifts: longer)) }
    if let recent { entries.append(try entry("recent", .recent, context: 2052, shifts: recent)) }
    let book = try ReportBook(entries.map { .languageModel($0) }, title: "T")
    let part = try XCTUnwrap(book.parts(stem: "r").first)
    XCTAssertEqual(part.figures.map(\.address), ["r-answer.svg"])
    return part.markdown
  }

  func testHelps() throws {
    let text = try answer([0.06, 0.08, 0.07], longer: [0.02, 0.03, 0.04])
    XCTAssertTrue(
      text.contains(
        "On code from token 2,048 on, retrieval (base, context 2052 + 4 sinks) lowers the loss by "
          + "0.070 [0.060, 0.080] nats a token against memory off and by 0.030 [0.020, 0.040] against "
          + "a longer context of the same cost, over 3 documents: **it helps**."), text)
    XCTAssertFalse(text.contains("9.0"), "what sees the future has no say")
  }

  func testHelpsButNotSurelyMoreThanItsCost() throws {
    XCTAssertTrue(
      try answer([0.06, 0.08, 0.07], longer: [-0.02, 0.03, 0.04]).contains(
        " against memory off (against a longer context of the same cost: by 0.017 [-0.020, 0.040]), over "
          + "3 documents: **it helps, but not surely more than the same cost without a retriever**."
      ))
  }

  /// Without a longer context the newest chunks stand in for it.
  func testNewestChunksStandIn() throws {
    let text = try answer([0.06, 0.08, 0.07], longer: nil, recent: [0.01, 0.02, 0.03])
    XCTAssertTrue(
      text.contains("and by 0.020 [0.010, 0.030] against the newest chunks, over 3 documents"), text
    )
  }

  func testHarmsAndNotSure() throws {
    XCTAssertTrue(try answer([-0.06, -0.08, -0.07], longer: nil).contains("**it harms**"))
    XCTAssertTrue(try answer([-0.06, 0.08, 0.07], longer: nil).contains("**not sure**"))
  }

  /// Needles: how often found, how often read out.
  func testNeedles() throws {
    let entries = [
      try entry("off", nil, context: 2052, shifts: [0.1, 0.1, 0.2]),
      try entry("retrieved", .nearest, context: 2052, shifts: [0, 0, 0]),
    ]
    let inputs =
      entries.map { ReportInput.languageModel($0) } + [
        .needle(name: "n", try NeedleTests.result())
      ]
    let text = try ReportBook(inputs, title: "T").parts(stem: "r")[0].markdown
    XCTAssertTrue(
      text.contains(
        "A passkey hidden in 1,024, 2,048 tokens (stage2, recent) is found 3 of 4 times and "
          + "read out 2 of 4 times."), text)
  }
}
