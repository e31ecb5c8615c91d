import TestSupport
import Tokenization
import XCTest

/// Damaged vocabularies are refused or used; any bytes are text (see `fuzz`).
final class TokenizationFuzzTests: XCTestCase {
  private let texts = [
    "a naïve ##able 中文 [MASK] un\u{301}able <|im_start|>\n\t1234 don't", "", "\u{0}\u{10ffff}ａ",
  ].map { Array($0.utf8) }

  private func exercise(_ tokenizer: some Tokenizer, _ text: [UInt8]) {
    for handling in SpecialTokenHandling.allCases {
      let ids = tokenizer.encode(text, specialTokens: handling)
      XCTAssert(ids.allSatisfy { (0..<Int32(tokenizer.identity.vocabularySize)).contains($0) })
      _ = tokenizer.decodeText(ids + [-1, .max], skippingSpecialTokens: true)
    }
  }

  func testWordPieceVocabulary() throws {
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n##b\ne\né\n,\n中\nun\n##able\n"
    try fuzz("vocab", seeds: [Array(words.utf8)]) { bytes in
      do {
        let tokenizer = try WordPieceTokenizer(vocabulary: String(decoding: bytes, as: UTF8.self))
        for text in texts { exercise(tokenizer, text) }
      } catch is TokenizerError {}
    }
  }

  func testBytePairTables() throws {
    let tables = "<|endoftext|>\na\nb\nĠ\nab\nĠab\nabĠab\n\u{0}a b\nĠ ab\nĠab Ġab\n"
    try fuzz("byte-pair", seeds: [Array(tables.utf8)]) { bytes in
      let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
      let lines = parts.map {
        $0.split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
      }
      let types = lines[0].map { $0.hasPrefix("<") ? 3 : $0.utf8.count > 5 ? 4 : 1 }
      do {
        let tokenizer = try BytePairTokenizer(
          tokens: lines[0], merges: lines.count > 1 ? lines[1] : [], tokenTypes: types,
          preTokenizer: "smollm")
        for text in texts { exercise(tokenizer, text) }
      } catch is TokenizerError {}
    }
  }

  func testText() throws {
    let pieces = try WordPieceTokenizer(
      vocabulary: "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nun\n##able\n")
    let pairs = try Vocabulary.small().tokenizer()
    try fuzz("text", seeds: texts.filter { !$0.isEmpty }) {
      exercise(pieces, $0)
      exercise(pairs, $0)
    }
  }
}
