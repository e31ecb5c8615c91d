import Evaluation
import XCTest

final class TextUnitsTests: XCTestCase {
  private func words(_ text: String, pieces: Int) -> Int {
    var units = TextUnits()
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: pieces) {
      units.add(bytes[start..<min(start + pieces, bytes.count)])
    }
    XCTAssertEqual(units.bytes, bytes.count)
    return units.words
  }

  /// The counts are Python 3's `len(text.split())`.
  func testCountsWordsAsPythonSplits() {
    let cases: [(String, Int)] = [
      ("", 0), (" \t\r\n", 0), ("one", 1), (" one  two\n", 2), ("don't stop—now", 2),
      ("a\u{A0}b\u{85}c\u{1680}d\u{2003}e\u{2028}f\u{202F}g\u{205F}h\u{3000}i", 9),
      ("a\u{200B}b \u{E9}t\u{E9} \u{1681} \u{2010} \u{2060} \u{3001}", 6),
      ("a\u{1C}b\u{1F}c", 3), ("\u{2026}", 1), ("\u{3000}", 0), ("日本 語", 2),
    ]
    for (text, count) in cases {
      for pieces in 1...4 { XCTAssertEqual(words(text, pieces: pieces), count, "\([text])") }
    }
  }

  func testBrokenUTF8IsText() {
    var units = TextUnits()
    units.add([0xE2, 0x80] as [UInt8])
    XCTAssertEqual(units.words, 1)
    units.add([0x20, 0xC2, 0x20, 0xE2, 0xC2, 0xA0, 0x61] as [UInt8])
    XCTAssertEqual(units.words, 4)
    XCTAssertEqual(units.bytes, 9)
  }
}
