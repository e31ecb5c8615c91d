import TestSupport
import Tokenization
import XCTest

final class UTF8TextTests: XCTestCase {
  func testMaximalParts() {
    // The example of the Unicode standard, section 3.9 (U+FFFD Substitution of Maximal Subparts).
    let bytes: [UInt8] = [
      0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62, 0x80, 0x63, 0x80, 0xbf, 0x64,
    ]
    XCTAssertEqual(
      String(decoding: UTF8Text.repaired(bytes), as: UTF8.self),
      "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}d")
  }

  func testEqualsStandardLibrary() {
    var generator = SplitMix64(seed: 1)
    let interesting: [UInt8] = [
      0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed,
      0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff,
    ]
    for _ in 0..<3000 {
      let length = Int.random(in: 0...24, using: &generator)
      let bytes = (0..<length).map { _ in interesting.randomElement(using: &generator)! }
      XCTAssertEqual(UTF8Text.repaired(bytes), Array(String(decoding: bytes, as: UTF8.self).utf8))
      let valid = String(validating: bytes, as: UTF8.self) != nil
      XCTAssertEqual(
        bytes.withUnsafeBufferPointer(UTF8Text.firstIllFormed) == nil, valid, "\(bytes)")
    }
  }

  func testPlaceOfTheFault() {
    let text = Array("twelve bytes".utf8) + [0xff] + Array("more".utf8)
    XCTAssertEqual(text.withUnsafeBufferPointer(UTF8Text.firstIllFormed), 12)
  }
}
