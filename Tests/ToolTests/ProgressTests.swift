import ToolSupport
import XCTest

/// How far a tool is, where nobody looks at a terminal and where somebody does.
final class ProgressTests: XCTestCase {
  /// What is written when a second passes between updates of ten.
  private func written(
    seconds: Int, total: Int? = 1000, quiet: Bool = false, isTerminal: Bool = false
  ) -> [String] {
    nonisolated(unsafe) var (now, lines) = (100.0, [String]())
    let progress = Progress(
      "tokens", total: total, from: 0, quiet: quiet, isTerminal: isTerminal, clock: { now },
      write: { lines.append($0) })
    for second in 1...seconds {
      now += 1
      progress.update(10 * second, note: "loss 3.1")
    }
    return lines.map { String($0.drop { $0 != ":" }.dropFirst(2)) }
  }

  func testALineEveryHalfMinute() {
    XCTAssertEqual(
      written(seconds: 70),
      [
        "tokens 300/1000, 10 tokens/s, 70 s left, loss 3.1\n",
        "tokens 600/1000, 10 tokens/s, 40 s left, loss 3.1\n",
      ])
    XCTAssertEqual(
      written(seconds: 40, total: nil), ["tokens 300, 10 tokens/s, loss 3.1\n"])
    XCTAssertEqual(
      written(seconds: 30, total: 5000), ["tokens 300/5000, 10 tokens/s, 8 min left, loss 3.1\n"])
    XCTAssertEqual(
      written(seconds: 30, total: 200_000),
      ["tokens 300/200000, 10 tokens/s, 5 h 33 min left, loss 3.1\n"])
  }

  func testShortRunsAndQuietOnesSayNothing() {
    XCTAssertEqual(written(seconds: 29), [])
    XCTAssertEqual(written(seconds: 70, quiet: true), [])
    XCTAssertEqual(written(seconds: 70, quiet: true, isTerminal: true), [])
  }

  func testATerminalSeesEverySecond() {
    XCTAssertEqual(
      written(seconds: 2, isTerminal: true),
      ["10/1000 tokens, 10/s, 1:39 left, loss 3.1", "20/1000 tokens, 10/s, 1:38 left, loss 3.1"])
  }
}
