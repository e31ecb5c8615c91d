import Foundation
import TestSupport
import ToolSupport
import XCTest

/// The unnamed file that bytes are kept in and read from.
final class TemporaryFileTests: XCTestCase {
  private func withTMPDIR(_ folder: String, _ body: () throws -> Void) rethrows {
    let before = getenv("TMPDIR").map { String(cString: $0) }
    setenv("TMPDIR", folder, 1)
    defer { if let before { setenv("TMPDIR", before, 1) } else { unsetenv("TMPDIR") } }
    try body()
  }

  private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  private func read(_ place: TemporaryFile.Place, _ count: Int) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: place.base, count: count))
  }

  func testPlacesKeepTheirBytesAndAreUsedAgain() throws {
    try withTemporaryFolder { folder in
      try withTMPDIR(folder) {
        let file = TemporaryFile("it")
        let lengths = [1, 70_000, 65_536, 3_000_000, 65_537, 200_000]
        let texts = lengths.enumerated().map { bytes($1, seed: UInt64($0)) }
        let places = try texts.map { text in try text.withUnsafeBytes { try file.write($0) } }
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), [])
        for (place, text) in zip(places, texts) { XCTAssertEqual(read(place, text.count), text) }
        let ranges = places.map { $0.offset..<$0.offset + $0.size }.sorted {
          $0.lowerBound < $1.lowerBound
        }
        for (one, next) in zip(ranges, ranges.dropFirst()) {
          XCTAssertLessThanOrEqual(one.upperBound, next.lowerBound)
        }
        file.free(places[1])
        let other = bytes(100_000, seed: 9)
        let again = try other.withUnsafeBytes { try file.write($0) }
        XCTAssertEqual(again.offset, places[1].offset)
        XCTAssertEqual(read(again, other.count), other)
        XCTAssertEqual(read(places[3], texts[3].count), texts[3])
      }
    }
  }

  func testAFolderThatIsNotThere() throws {
    try withTMPDIR("/nowhere/at/all") {
      let file = TemporaryFile("the memory")
      XCTAssertThrowsError(try [UInt8](repeating: 1, count: 9).withUnsafeBytes(file.write)) {
        XCTAssertEqual(
          "\($0)", "TMPDIR /nowhere/at/all cannot hold the memory: No such file or directory")
      }
    }
  }

  /// The size that a file may have stands in for a full disk: both come as an error of the write.
  func testAFullDiskIsAnErrorAndWhatWasWrittenStays() throws {
    var before = rlimit()
    getrlimit(__rlimit_resource_t(1), &before)  // RLIMIT_FSIZE
    signal(SIGXFSZ, SIG_IGN)
    var small = rlimit(rlim_cur: 150_000, rlim_max: before.rlim_max)
    let file = TemporaryFile("it")
    let text = bytes(60_000, seed: 1)
    let place = try text.withUnsafeBytes { try file.write($0) }
    XCTAssertEqual(setrlimit(__rlimit_resource_t(1), &small), 0)
    defer { setrlimit(__rlimit_resource_t(1), &before) }
    let large = bytes(200_000, seed: 2)
    XCTAssertThrowsError(try large.withUnsafeBytes { try file.write($0) }) {
      XCTAssertTrue("\($0)".hasSuffix("cannot hold it: File too large"), "\($0)")
    }
    XCTAssertEqual(read(place, text.count), text)
  }
}
