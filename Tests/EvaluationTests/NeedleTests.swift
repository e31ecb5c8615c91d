import Evaluation
import Safetensors
import XCTest

final class NeedleTests: XCTestCase {
  func testTrialsAreRepeatableAndDiffer() {
    let trial = NeedleTask.passkey.trial(3, seed: 1)
    XCTAssertEqual(trial, NeedleTask.passkey.trial(3, seed: 1))
    XCTAssertNotEqual(trial.key, NeedleTask.passkey.trial(4, seed: 1).key)
    XCTAssertNotEqual(trial.key, NeedleTask.passkey.trial(3, seed: 2).key)
    XCTAssertEqual(Set(trial.keys).count, NeedleTrial.candidates)
    XCTAssertTrue(trial.keys.allSatisfy { $0.count == 5 && $0.first != "0" })
    XCTAssertTrue(trial.needle.contains("The pass key is \(trial.key). Remember it."))
    XCTAssertTrue(trial.question.hasSuffix("What is the pass key? The pass key is"))
    XCTAssertEqual(NeedleTask.needle.trial(0, seed: 1).key.count, 7)
  }

  /// Exactly as long as asked for, with the needle whole at its depth.
  func testDocument() throws {
    let trial = NeedleTask.passkey.trial(0, seed: 1)
    let places = [0.0: 2, 0.5: 9, 1.0: 15]
    for (depth, place) in places {
      let document = try trial.document(
        length: 18, depth: depth, introduction: [1, 2], needle: [7, 8, 9], haystack: [5])
      XCTAssertEqual(document.tokens.count, 18)
      XCTAssertEqual(Array(document.tokens[document.needle]), [7, 8, 9])
      XCTAssertEqual(document.needle.lowerBound, place)
      XCTAssertEqual(Array(document.tokens.prefix(2)), [1, 2])
      XCTAssertEqual(document.tokens.count { $0 == 5 }, 13)
    }
    XCTAssertThrowsError(
      try trial.document(
        length: 4, depth: 0, introduction: [1, 2], needle: [7, 8, 9], haystack: [5]))
  }

  func testAnswers() {
    let trial = NeedleTask.passkey.trial(0, seed: 1)
    let key = trial.key
    for answer in [" \(key).", "\(key)", ": \(key)\nWhat", " \(key) and"] {
      XCTAssertTrue(trial.accepts(answer), answer)
    }
    for answer in [" \(key)1", " \(key.dropLast())", "", " the \(key)", " -\(key)", "1\(key)"] {
      XCTAssertFalse(trial.accepts(answer), answer)
    }
  }

  static func result() throws -> NeedleResult {
    func answer(_ length: Int, _ depth: Double, _ trial: Int, _ isCorrect: Bool, _ rank: Int)
      -> NeedleAnswer
    {
      NeedleAnswer(
        length: length, depth: depth, trial: trial, key: "12345",
        answer: isCorrect ? " 12345." : " 1", isCorrect: isCorrect, rank: rank,
        wasRetrieved: rank < 3)
    }
    return try NeedleResult(
      toolVersion: "0.1.0", task: .passkey, model: Samples.model,
      adapter: .init(name: "stage2", digest: "dd"),
      memory: TaskMemory(
        selection: "recent", topK: 8, memoryTokens: 32768, chunkTokens: 128, eviction: "counter",
        queryTokens: 256, retriever: nil),
      segmentTokens: 1024, localTokens: 64, haystack: "ee", seed: 1,
      answers: [
        answer(2048, 0, 0, true, 1), answer(2048, 0, 1, false, 2), answer(1024, 0.5, 0, false, 1),
        answer(1024, 0, 0, true, 3),
      ])
  }

  func testMatricesAndJSON() throws {
    let result = try Self.result()
    XCTAssertEqual(result.lengths, [1024, 2048])
    XCTAssertEqual(result.matrix(.correct), [[1, 0.5], [0, nil]])
    XCTAssertEqual(result.matrix(.first), [[0, 0.5], [1, nil]])
    XCTAssertEqual(result.matrix(.retrieved), [[0, 1], [1, nil]])
    XCTAssertEqual(result.share(.correct), 0.5)
    let text = result.json.prettyEncoded
    XCTAssertEqual(try NeedleResult(json: try JSONValue(parsing: text)), result)
    XCTAssertThrowsError(
      try NeedleResult(
        json: try JSONValue(parsing: text.replacing("\"rank\": 3", with: "\"rank\": 11")))
    ) { XCTAssertTrue("\($0)".contains("answers[3].rank"), "\($0)") }
  }
}
