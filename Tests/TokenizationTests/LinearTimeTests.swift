import Glibc
import TestSupport
import Tokenization
import XCTest

/// The time to encode grows with the text, whatever the text is made of.
final class LinearTimeTests: XCTestCase {
  private static let short = 1 << 13
  /// Four times the text may take this many times as long; the square would take 16 times.
  private static let longest = 9.0

  /// Repeated: a scalar of each general category, and what rules have looked ahead for or gone back to.
  private static let units: [String] = [
    "A", "a", "ǅ", "ʰ", "ª", "中", "\u{301}", "\u{903}", "\u{488}", "7", "Ⅷ", "½", "_", "-", "(",
    ")", "«", "»", "!", "+", "$", "^", "©", " ", "\u{2028}", "\u{2029}", "\u{1}", "\u{200d}",
    "\u{e000}", "\u{378}", "\n", "\r\n", "\t", "\u{a0}", "\u{3000}", "\u{fffd}", "😀",
    // Marks out of order, of many classes; syllables in parts; the longest decomposition.
    "\u{301}\u{323}", "\u{345}\u{301}\u{5b0}\u{323}\u{334}", "\u{1100}\u{1161}\u{11a8}", "\u{fdfa}",
    "a\u{301}", "A\u{30a}\u{323}", "\u{2f800}", "İ", "Σ", "ﬁ",
    // Beginnings of words, contractions, special tokens.
    " \n", " \n ", "  a", "'", "'s", "''", "' ", "\n ", "##", "<", "<|", "</", "[MASK", "[CLS]",
    "<s>", "a ", "aB", "a1", "1 ", "▁", "▁▁a", "0x", "...", "a.b,", "\u{301}a", "中a", "😀\u{200d}",
  ]

  func testEveryTokenizer() throws {
    let names = [
      "always.json", "bert", "bert/vocab.txt", "default.json", "first.json", "gpt-2.json",
      "legacy-normalized.json", "llama-bpe.json", "llama", "llama/tokenizer.model", "never.json",
      "other-inverted.json", "other-merged.json", "other-removed.json", "qwen2.json",
      "qwen2.gguf", "smollm.json", "user.model", "user.gguf",
    ]
    for name in names {
      try check(name, try TokenizerFiles.open(path: fixture("tokenizer-json/" + name)))
    }
  }

  func testOtherNormalForms() throws {
    let text = try String(contentsOfFile: fixture("tokenizer-json/qwen2.json"), encoding: .utf8)
    for form in ["NFD", "NFKC", "NFKD", "Lowercase"] {
      let changed = text.replacing("\"NFC\"", with: "\"\(form)\"")
      try check(
        form, try Array(changed.utf8).withUnsafeBytes { try TokenizerFiles.tokenizer(json: $0) })
    }
  }

  private func check(_ name: String, _ tokenizer: any Tokenizer) throws {
    for unit in Self.units {
      let short = Self.text(of: unit, bytes: Self.short)
      let long = Self.text(of: unit, bytes: 4 * Self.short)
      // Another process may take the caches of one try, hardly those of several.
      var (least, most) = (Double.infinity, Double.infinity)
      for _ in 0..<8 {
        least = min(least, seconds { _ = tokenizer.encode(short, specialTokens: .parse) })
        most = min(most, seconds { _ = tokenizer.encode(long, specialTokens: .parse) })
        if most < Self.longest * least { break }
      }
      XCTAssertLessThan(
        most, Self.longest * least,
        "\(name): \(unit.debugDescription): \(least) s, four times as much \(most) s")
    }
  }

  private static func text(of unit: String, bytes: Int) -> [UInt8] {
    let unit = Array(unit.utf8)
    return Array((0..<bytes / unit.count).map { _ in unit }.joined())
  }

  /// The time that this thread computes, whatever else runs.
  private func seconds(_ body: () -> Void) -> Double {
    func now() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    let start = now()
    body()
    return now() - start
  }
}
