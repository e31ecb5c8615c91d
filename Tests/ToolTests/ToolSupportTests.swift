import Foundation
import ShardIO
import TestSupport
import ToolSupport
import XCTest

final class ToolSupportTests: XCTestCase {
  private func text(of path: String) throws -> [String] {
    let reader = LineReader(try InputFile.openText(path))
    var lines: [String] = []
    while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
    XCTAssertEqual(reader.lineNumber, lines.count)
    return lines
  }

  func testTextIsDecompressed() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.txt"
      let lines = (0..<50_000).map { "line ü \($0)" }
      try write(Array((lines.joined(separator: "\n") + "\n").utf8), to: path)
      XCTAssertEqual(try text(of: path), lines)
      for (program, name) in [("zstd -q", "a.txt.zst"), ("gzip -k", "a.txt.gz")] {
        let script = "cd \(folder) && \(program) a.txt && cat \(name) \(name) > twice"
        XCTAssertEqual(try runProgram("bash", ["-c", script]).status, 0)
        XCTAssertEqual(try text(of: "\(folder)/\(name)"), lines)
        XCTAssertEqual(try text(of: "\(folder)/twice"), lines + lines)
        let bytes = try readBytes("\(folder)/\(name)")
        for count in [5, 20, bytes.count / 2, bytes.count - 1] {
          try write(Array(bytes[..<count]), to: "\(folder)/short")
          XCTAssertThrowsError(try text(of: "\(folder)/short"), "\(name) \(count)") {
            XCTAssert("\($0)".hasPrefix("\(folder)/short: "), "\($0)")
          }
        }
        var damaged = bytes
        damaged[bytes.count / 2] ^= 0x55
        try write(damaged, to: "\(folder)/damaged")
        XCTAssertThrowsError(try text(of: "\(folder)/damaged"))
      }
    }
  }

  func testLines() throws {
    func lines(_ text: String) throws -> [String] {
      let reader = LineReader(MemorySource(Array(text.utf8), step: 3), limit: 8)
      var lines: [String] = []
      while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
      return lines
    }
    XCTAssertEqual(try lines(""), [])
    XCTAssertEqual(try lines("a"), ["a"])
    XCTAssertEqual(try lines("a\n"), ["a"])
    XCTAssertEqual(try lines("\na\r\n\r\nbc"), ["", "a", "", "bc"])
    XCTAssertThrowsError(try lines("x\n123456789\n"))
  }

  func testRecordedArguments() {
    func recorded(_ arguments: String..., inputs: [String] = []) -> [String] {
      recordedArguments(arguments, inputs: inputs, omitting: ["--log"])
    }
    XCTAssertEqual(
      recorded("--top-k", "8", "-o", "x.mls", "-q", "-vq", "--threads=3"), ["--top-k", "8"])
    XCTAssertEqual(recorded("-", inputs: ["-"]), [])
    XCTAssertEqual(
      recorded("--model", "/a/b/", "--log", "l", "d/a.mls", "--x=/c/d", inputs: ["d/a.mls"]),
      ["--model", "b", "--x=d"])
    XCTAssertEqual(recorded("--kind", "a", "a", inputs: ["a"]), ["--kind", "a"])
    XCTAssertEqual(
      recorded("stat", "--output=/x/y", "--no-provenance", "--seed", "1"), ["stat", "--seed", "1"])
  }

  func testDecimal() {
    XCTAssertEqual(decimal(12.345, 2), "12.35")
    XCTAssertEqual(decimal(0.04, 2), "0.04")
    XCTAssertEqual(decimal(-0.001, 2), "0.00")
    XCTAssertEqual(decimal(-1.5, 1), "-1.5")
    XCTAssertEqual(decimal(1999.6, 0), "2000")
    XCTAssertEqual(decimal(.infinity, 2), "inf")
  }

  func testOutputsAppearWholeOrNotAtAll() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/out"
      do {
        let output = try OutputFile(path)
        try output.write("half")
        try output.flush()
        XCTAssertFalse(FileManager.default.fileExists(atPath: path))
      }
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), [])
      let output = try OutputFile(path)
      try output.write(String(repeating: "whole ", count: 100_000))
      try output.commit()
      XCTAssertEqual(try readBytes(path).count, 600_000)
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["out"])
    }
  }

  func testWhatKilledToolsLeftGoes() throws {
    try withTemporaryFolder { folder in
      let manager = FileManager.default
      let names = [
        ".out.1.0.tmp", ".out.\(getpid()).3.tmp", ".out.x.0.tmp", ".out.1.tmp", ".other.1.0.tmp",
        ".out.tmp", "out.1.0.tmp",
      ]
      for name in names { try TestSupport.write([1], to: "\(folder)/\(name)") }
      let (one, other) = (try OutputFile(folder + "/out"), try OutputFile(folder + "/out"))
      try one.write("one")
      try other.write("other")
      XCTAssertNoThrow(try one.commit())
      XCTAssertNoThrow(try other.commit())
      XCTAssertEqual(
        try manager.contentsOfDirectory(atPath: folder).sorted(),
        (names.dropFirst(2) + ["out"]).sorted())
    }
  }

  func testOneRunHoldsAnOutput() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/out"
      let lock = try OutputLock(path)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/link", withDestinationPath: "out")
      for spelling in [path, path + "/", folder + "/link"] {
        XCTAssertThrowsError(try OutputLock(spelling)) {
          XCTAssertEqual("\($0)", "\(spelling): another run writes there")
        }
      }
      XCTAssertNoThrow(try OutputLock(folder + "/other").release())
      lock.release()
      XCTAssertNoThrow(try OutputLock(path))
      for nobodys in ["-", "/dev/null"] {
        let one = try OutputLock(nobodys)
        XCTAssertNoThrow(try OutputLock(nobodys))
        one.release()
      }
      XCTAssertThrowsError(try OutputLock(folder + "/absent/out"))
      XCTAssertEqual(
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted(), ["link", "out"])
    }
  }
}
