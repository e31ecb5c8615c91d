import Foundation
import TestSupport
import ToolSupport
import XCTest

/// TensorBoard event files, read back by a decoder that shares nothing with the writer.
final class EventFileTests: XCTestCase {
  func testChecksum() {
    // RFC 3720, B.4.
    XCTAssertEqual(crc32C([UInt8](repeating: 0, count: 32)), 0x8a91_36aa)
    XCTAssertEqual(crc32C([UInt8](repeating: 0xff, count: 32)), 0x62a8_ab43)
    XCTAssertEqual(crc32C((0..<32).map { UInt8($0) }), 0x46dd_794e)
  }

  func testPythonReadsThem() throws {
    guard try runProgram("python3", ["--version"]).status == 0 else {
      throw XCTSkip("python3 is absent")
    }
    try withTemporaryFolder { folder in
      let events = folder + "/events"
      do {
        let file = try EventFile(folder: events, purging: nil)
        try file.write(step: 1, [("loss", 2.5), ("hits", 8), ("nothing", .nan)])
        try file.write(step: 300, [("loss", -0.125)])
      }
      _ = try EventFile(folder: events, purging: 200)
      let names = try FileManager.default.contentsOfDirectory(atPath: events).sorted()
      XCTAssertEqual(names.count, 2)
      for name in names {
        XCTAssert(name.hasPrefix("events.out.tfevents."), name)
        XCTAssert(name.hasSuffix(".memlong"), name)
      }
      let script = fixturesFolder.deletingLastPathComponent()
        .appendingPathComponent("interop/events.py").path
      let result = try runProgram("python3", [script] + names.map { "\(events)/\($0)" })
      XCTAssertEqual(result.status, 0, result.standardError)
      XCTAssertEqual(
        result.text,
        """
        0 version brain.Event:2
        1 loss 2.5
        1 hits 8.0
        300 loss -0.125
        0 version brain.Event:2
        200 start

        """)
    }
  }
}
