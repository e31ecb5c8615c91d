import FilePaths
import Glibc
import TestSupport
import XCTest

/// Paths of any bytes, in strings and back.
final class FilePathTests: XCTestCase {
  func testBytesComeBack() {
    var random = SplitMix64(seed: 19)
    let scalars = Array("a/é中😀\u{10ff80}\u{10ffff}\u{10ff7f}".utf8)
    for round in 0..<2000 {
      var bytes = (0..<round % 20).map { _ in UInt8.random(in: 1...255, using: &random) }
      if round.isMultiple(of: 2) { bytes += scalars + bytes }
      XCTAssertEqual(String(pathBytes: bytes).pathBytes, bytes)
    }
    XCTAssertEqual(String(pathBytes: Array("a/é中😀".utf8)), "a/é中😀")
    XCTAssertEqual(String(pathBytes: [0x61, 0xff, 0xc3]), "a\u{10ffff}\u{10ffc3}")
  }

  func testCalls() throws {
    try withTemporaryFolder { folder in
      let odd = folder + "/" + String(pathBytes: [0x62, 0xff, 0xfe])
      XCTAssertEqual(mkdir(odd, 0o777), 0)
      let file = open(odd + "/x", O_WRONLY | O_CREAT, 0o600)
      XCTAssertGreaterThanOrEqual(file, 0)
      close(file)
      XCTAssertEqual(rename(odd + "/x", odd + "/y"), 0)
      XCTAssertEqual(access(odd + "/y", R_OK), 0)
      let directory = try XCTUnwrap(opendir(folder))
      defer { closedir(directory) }
      var names: [String] = []
      while let entry = readdir(directory) { names.append(entryName(entry)) }
      XCTAssertEqual(names.filter { !$0.hasPrefix(".") }, ["b\u{10ffff}\u{10fffe}"])
      XCTAssertNil(realPath(odd + "/z"))
      XCTAssertEqual(unlink(odd + "/y"), 0)
      XCTAssertEqual(rmdir(odd), 0)
    }
  }
}
