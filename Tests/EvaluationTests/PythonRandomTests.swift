import Evaluation
import Safetensors
import TestSupport
import XCTest

/// Draws equal CPython's, number for number.
final class PythonRandomTests: XCTestCase {
  func testWords() throws {
    let words = try XCTUnwrap(try fixtureJSON("icl/python-random.json")["words"])
    var random = PythonRandom(seed: 1)
    for word in try XCTUnwrap(words["first"]?.arrayValue) {
      XCTAssertEqual(Int(random.next()), word.intValue)
    }
    // Past the generator's second twist.
    for _ in 0..<999 { _ = random.next() }
    XCTAssertEqual(Int(random.next()), words["after_1005"]?.intValue)
  }

  /// Both ways of sampling, and the edge between them.
  func testSamples() throws {
    let cases = try XCTUnwrap(try fixtureJSON("icl/python-random.json")["cases"]?.arrayValue)
    for facts in cases {
      let seed = UInt64(try XCTUnwrap(facts["seed"]?.intValue))
      let population = try XCTUnwrap(facts["population"]?.intValue)
      var random = PythonRandom(seed: seed)
      for expected in try XCTUnwrap(facts["draws"]?.arrayValue) {
        if let draws = expected.arrayValue {
          let sample = random.sample(population, draws.count)
          XCTAssertEqual(sample, draws.compactMap(\.intValue), "seed \(seed)")
        } else {
          let sample = random.sample(population, try XCTUnwrap(expected["count"]?.intValue))
          XCTAssertEqual(
            Array(sample.prefix(5)), expected["first"]?.arrayValue?.compactMap(\.intValue))
          XCTAssertEqual(
            Array(sample.suffix(5)), expected["last"]?.arrayValue?.compactMap(\.intValue))
          let sum = sample.enumerated().reduce(0) { $0 + $1.offset * $1.element }
          XCTAssertEqual(sum, expected["weighted"]?.intValue)
        }
      }
    }
  }
}
