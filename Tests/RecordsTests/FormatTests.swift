import Foundation
import Records
import ShardIO
import TestSupport
import XCTest

/// The example that FORMAT.md prints is a shard.
final class FormatTests: XCTestCase {
  static let rows = [
    ScoreRow(row: 0, offset: 0, nll: 0, scored: false),
    ScoreRow(row: 0, offset: 1, nll: 2.5, scored: true),
    ScoreRow(row: 1, offset: 0, nll: 0.125, scored: true),
  ]

  static func example() throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ScoreWriter(
      sink: sink, parameters: ScoreParameters(model: "tiny", protocolName: "stream"),
      provenance: nil)
    for row in rows { try writer.append(row) }
    try writer.finish()
    return sink.bytes
  }

  /// The bytes of the block that begins with ```hex.
  private func printed() throws -> [UInt8] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/ShardIO/FORMAT.md")
    let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
    let start = try XCTUnwrap(text.range(of: "```hex\n")).upperBound
    let end = try XCTUnwrap(text.range(of: "```", range: start..<text.endIndex)).lowerBound
    var bytes: [UInt8] = []
    for line in text[start..<end].split(separator: "\n") {
      // offset, bytes, and after two spaces their meaning
      for field in line.prefix(54).split(separator: " ").dropFirst() {
        bytes.append(try XCTUnwrap(UInt8(field, radix: 16), "\(line)"))
      }
    }
    return bytes
  }

  func testThePrintedExampleDecodes() throws {
    let reader = try ScoreReader(source: MemorySource(printed()))
    XCTAssertEqual(
      reader.parameters, ScoreParameters(model: "tiny", adapter: "", protocolName: "stream"))
    XCTAssertNil(reader.provenance)
    XCTAssertEqual(try reader.next()?.rows, FormatTests.rows)
    XCTAssertNil(try reader.next())
    let other = ShardReader(source: MemorySource(try FormatTests.example()))
    while try other.next() != nil {}
    XCTAssertEqual(reader.digest, other.digest)
    XCTAssertEqual(reader.digest.bytes, Array(try printed().suffix(16)))
  }
}
