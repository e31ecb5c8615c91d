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

  func testScoredTables() throws {
    let tables = "<unk>\n<s>\n<0x61>\n▁\na\nb\nab\n▁a\naa\n▁▁\nab▁a\nba\n"
    try fuzz("scored", seeds: [Array(tables.utf8)]) { bytes in
      let tokens = bytes.split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
      let types = tokens.map { $0 == "<unk>" ? 2 : $0 == "<s>" ? 3 : $0.hasPrefix("<0x") ? 6 : 1 }
      do {
        let tokenizer = try BytePairTokenizer(
          tokens: tokens, scores: tokens.map { -Double($0.utf8.count % 5) }, tokenTypes: types,
          addsLeadingSpace: bytes.count % 2 == 0)
        for text in texts { exercise(tokenizer, text) }
      } catch is TokenizerError {}
    }
  }

  func testTokenizerJSON() throws {
    try fuzz("tokenizer-json", seeds: Self.files.map { Array($0.utf8) }) { bytes in
      do {
        let tokenizer = try bytes.withUnsafeBytes { try TokenizerFiles.tokenizer(json: $0) }
        for text in texts { exercise(tokenizer, text) }
      } catch is TokenizerError {}
    }
  }

  /// Edits of words: each pair of bytes puts one word of a file in place of another.
  func testEditedTokenizerJSON() throws {
    let files = Self.files.map(Self.words)
    for file in files {
      XCTAssertNoThrow(
        try Array(file.joined().utf8).withUnsafeBytes { try TokenizerFiles.tokenizer(json: $0) })
    }
    let others = ["-1", "4294967296", "1e99", "0.5", "null", "true", "false", "[]", "{}", #""""#]
    let words =
      files.joined().filter(Self.isValue) + others + [#""a""#, #"" ""#, #""\\p{L}{999}""#]
    let seeds = (UInt8(0)..<30).map { [$0, $0 &* 31, $0 &* 57, $0 &* 83, $0 &* 11] }
    try fuzz("edited-json", seeds: seeds) { bytes in
      var file = files[bytes.count % files.count]
      let values = file.indices.filter { Self.isValue(file[$0]) }
      for (at, byte) in bytes.dropFirst().enumerated() {
        let place = (Int(bytes[at]) + 256 * at) * 7 % values.count
        file[values[place]] = words[(Int(byte) * 5 + at) % words.count]
      }
      do {
        let tokenizer = try Array(file.joined().utf8).withUnsafeBytes {
          try TokenizerFiles.tokenizer(json: $0)
        }
        for text in texts { exercise(tokenizer, text) }
      } catch is TokenizerError {}
    }
  }

  private static func isValue(_ word: String) -> Bool { !"{}[]:,".contains(word) }

  /// Brackets, commas and colons, and what is between them.
  private static func words(_ json: String) -> [String] {
    var words = [String]()
    var isInString = false
    for character in json where !character.isNewline {
      let isEscaped = words.last?.last == "\\"
      if isInString {
        words[words.count - 1].append(character)
        if character == "\"" && !isEscaped { isInString = false }
      } else if character == "\"" {
        words.append("\"")
        isInString = true
      } else if "{}[]:,".contains(character) || words.last.map({ !isValue($0) }) ?? true {
        words.append(String(character))
      } else {
        words[words.count - 1].append(character)
      }
    }
    return words
  }

  /// Files of every kind, with all that one may ask for.
  private static let files = [
    #"""
    {"version":"1.0","added_tokens":[{"id":9,"content":"<|im_start|>","single_word":false,"lstrip":true,
    "rstrip":true,"normalized":false,"special":true},{"id":11,"content":"un","single_word":true,
    "lstrip":false,"rstrip":true,"normalized":true,"special":false}],"normalizer":{"type":"Sequence",
    "normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"[\\t ]{2,}|x*"},"content":" "}]},
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
    "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},"behavior":"Isolated",
    "invert":false},{"type":"Digits","individual_digits":true},{"type":"ByteLevel",
    "add_prefix_space":false,"trim_offsets":true,"use_regex":true}]},"post_processor":{"type":
    "TemplateProcessing","single":[{"SpecialToken":{"id":"<|im_start|>","type_id":0}},{"Sequence":
    {"id":"A","type_id":0}}]},"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,
    "unk_token":"b","fuse_unk":true,"byte_fallback":false,"ignore_merges":true,"vocab":{"a":0,"b":1,
    "Ġ":2,"ab":3,"Ġab":4,"e":5,"l":6,"le":7,"able":8},"merges":["a b","Ġ ab",["l","e"],["ab","le"]]}}
    """#,
    #"""
    {"added_tokens":[{"id":0,"content":"<unk>","special":true,"normalized":false},{"id":1,"content":
    "[MASK]","special":true,"normalized":true,"lstrip":true},{"id":14,"content":"▁▁","special":false}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace",
    "pattern":{"String":" "},"content":"▁"},{"type":"NFKD"},{"type":"Lowercase"}]},"pre_tokenizer":
    {"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true},"decoder":{"type":
    "Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":
    "ByteFallback"},{"type":"Fuse"}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,
    "byte_fallback":true,"vocab":{"<unk>":0,"[MASK]":1,"<0xE4>":2,"<0xB8>":3,"<0xAD>":4,"▁":5,"a":6,
    "▁a":7,"b":8,"l":9,"ab":10,"▁ab":11,"e":12,"n":13},"merges":["▁ a","a b","▁ ab","▁a b"]}}
    """#,
    #"""
    {"added_tokens":[{"id":4,"content":"[MASK]","special":true}],"normalizer":{"type":"BertNormalizer",
    "clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
    "pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece","prefix":"##"},"model":
    {"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
    "max_input_chars_per_word":100,"vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,
    "##able":6,"un":7}}}
    """#,
  ]

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
