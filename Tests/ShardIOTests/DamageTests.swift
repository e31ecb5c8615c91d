import Glibc
import Safetensors
import ShardIO
import TestSupport
import XCTest

/// Whatever stands in a file, reading it ends in `ShardError` or in the right data.
final class DamageTests: XCTestCase {
  private func message(_ bytes: [UInt8], file: StaticString = #filePath, line: UInt = #line)
    -> String
  {
    do {
      _ = try Streams.read(bytes)
      XCTFail("no error", file: file, line: line)
      return ""
    } catch {
      XCTAssert(error is ShardError, "\(error)", file: file, line: line)
      let text = "\(error)"
      XCTAssertFalse(text.contains("\n"), file: file, line: line)
      return text
    }
  }

  func testTruncationAtEveryByte() throws {
    let bytes = try Streams.make(
      provenance: [ProvenanceEntry(tool: "t", version: "1", arguments: [])])
    for count in 0..<bytes.count {
      let text = message(Array(bytes[..<count]))
      if count > 4 { XCTAssert(text.hasPrefix("block "), "\(count): \(text)") }
    }
    XCTAssertEqual(message([]), "empty: no block, no END")
    XCTAssertEqual(
      message(Array(bytes.dropLast(48))), "block 3 (row 5): truncated: END is missing")
    XCTAssertEqual(message(Array(bytes.dropLast())), "block 3 (row 5): truncated inside END")
  }

  func testEveryBitFlip() throws {
    let bytes = try Streams.make()
    let (_, digest) = try Streams.read(bytes)
    var accepted = 0
    for index in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[index] ^= 1 << UInt8(bit)
        do {
          let (blocks, read) = try Streams.read(damaged)
          XCTAssertEqual(read, digest)
          XCTAssertEqual(blocks.map(\.rows), [3, 0, 2])
          XCTAssertEqual(blocks.map(\.parameters), [["x": "1"], ["x": "1"], ["x": "1"]])
          accepted += 1
        } catch {
          XCTAssert(error is ShardError, "byte \(index): \(error)")
        }
      }
    }
    // zstd has bits that no decoder looks at, such as the code lengths of symbols that do not occur
    XCTAssertLessThan(accepted, bytes.count * 8 / 100)
  }

  func testRandomDamage() throws {
    let bytes = try Streams.make() + Streams.make(blocks: [40, 1])
    var random = SplitMix64(seed: 99)
    for _ in 0..<2000 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let index = Int.random(in: 0..<damaged.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: damaged[index] = UInt8.random(in: 0...255, using: &random)
        case 1: damaged.remove(at: index)
        default: damaged.insert(UInt8.random(in: 0...255, using: &random), at: index)
        }
      }
      do { _ = try Streams.read(damaged) } catch { XCTAssert(error is ShardError, "\(error)") }
    }
  }

  func testGarbageAround() throws {
    let bytes = try Streams.make()
    XCTAssertEqual(message(bytes + [0]), "stream 1: garbage after END")
    XCTAssertEqual(message(bytes + Array("hello".utf8)), "stream 1: garbage after END")
    XCTAssertEqual(message(Array("hello there".utf8)), "these bytes are no shard")
    XCTAssertEqual(message(Array(bytes.suffix(48))), "END without a block")
    XCTAssertEqual(message(bytes + bytes.suffix(48)), "stream 1: END without a block")
    let other = try Streams.make(kind: "other")
    XCTAssertEqual(
      message(bytes + other), "stream 1: block 0 (row 0): expected test, found other")
  }

  func testSourcesHoldWholeStreams() throws {
    let bytes = try Streams.make()
    let reader = ShardReader(sources: [
      MemorySource(Array(bytes.dropLast(48)), name: "a.mls"), MemorySource(bytes, name: "b.mls"),
    ])
    XCTAssertThrowsError(try { while try reader.next() != nil {} }()) {
      XCTAssertEqual("\($0)", "a.mls: block 3 (row 5): truncated: END is missing")
    }
    let second = ShardReader(sources: [
      MemorySource(bytes, name: "a.mls"), MemorySource(Array(bytes.dropLast(1)), name: "b.mls"),
    ])
    XCTAssertThrowsError(try { while try second.next() != nil {} }()) {
      XCTAssertEqual("\($0)", "b.mls: block 3 (row 5): truncated inside END")
    }
  }

  func testStreamsThatLie() throws {
    let one = Streams.content(Streams.metadata())
    let data = Array(one.suffix(4))
    let end = Streams.end(blocks: 1, rows: 1, data: data)
    XCTAssertEqual(try Streams.read(Streams.byHand([one], end: end)).0.count, 1)

    func lie(_ metadata: [String: String], _ expected: String) throws {
      let text = message(try Streams.byHand([Streams.content(metadata)], end: end))
      XCTAssertEqual(text, "block 0 (row 0): " + expected)
    }
    try lie(
      Streams.metadata().merging(["format": "memlong/2"]) { $1 },
      "format memlong/2, where memlong/1 is expected")
    try lie(Streams.metadata(block: 1), "block number 1, where 0 is expected")
    try lie(Streams.metadata(firstRow: 1), "first row 1, where 0 is expected")
    try lie(Streams.metadata(rows: 1 << 60), "too many rows: \(1 << 60)")
    try lie(Streams.metadata().merging(["rows": "-1"]) { $1 }, "rows is -1, not a number")
    try lie(Streams.metadata().merging(["rows": "1e3"]) { $1 }, "rows is 1e3, not a number")
    try lie(Streams.metadata().filter { $0.key != "kind" }, "a block without a kind")
    try lie(
      Streams.metadata().merging(["provenance": "{}"]) { $1 },
      "the provenance is no list of tools")

    let frame = try Streams.byHand([one])
    func ends(_ blocks: UInt64, _ rows: UInt64, _ data: [UInt8], _ expected: String) {
      let text = message(frame + Streams.end(blocks: blocks, rows: rows, data: data))
      XCTAssertEqual(text, "block 1 (row 1): " + expected)
    }
    ends(2, 1, data, "END counts 2 blocks, where 1 were read")
    ends(1, .max, data, "END counts \(UInt64.max) rows, where 1 were read")
    ends(1, 1, [], "END's hash does not match the data")
  }

  func testFramesThatAreNotOurs() throws {
    let one = Streams.content(Streams.metadata())
    XCTAssertEqual(
      message(try Streams.byHand([one], flags: ["--no-check"])),
      "block 0 (row 0): a frame without a checksum")
    XCTAssertEqual(
      message(try Streams.byHand([one], flags: ["--check", "--no-content-size"])),
      "block 0 (row 0): a frame without its content size")
    XCTAssertEqual(
      message(try Streams.byHand([[1, 2, 3]])), "block 0 (row 0): a frame without a header")
    // another skippable frame
    XCTAssertEqual(
      message([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7]), "these bytes are no shard")
  }

  /// Sizes that claim what is not there take no memory.
  func testLyingSizesTakeNoMemory() throws {
    let before = peak()
    // a frame header with an 8-byte content size: 1 GiB, 1 GiB + 1, 2^63
    for size: UInt64 in [1 << 30, 1 << 30 + 1, 1 << 63] {
      for descriptor: UInt8 in [0xc4, 0xe4] {
        var frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, descriptor]
        if descriptor == 0xc4 { frame.append(0x58) }
        withUnsafeBytes(of: size.littleEndian) { frame += $0 }
        // one raw block, the last, with a safetensors length of 2^29
        frame += [0x41, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0]
        _ = message(frame)
      }
    }
    // a real frame whose header claims to be long
    for length: UInt64 in [1 << 60, .max, 1 << 29] {
      let content = withUnsafeBytes(of: length.littleEndian) { Array($0) } + [0x7b, 0x7d]
      _ = message(try Streams.byHand([content]))
    }
    XCTAssertLessThan(peak() - before, 64 << 20)
  }

  private func peak() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
