import CSentencePiece

/// The spellings of a SentencePiece model's tokens as the bytes that they decode to.
struct SentencePieceTable {
  private(set) var table = TokenTable()
  /// Special tokens as they are spelt.
  private(set) var special: [(text: String, id: Int32)] = []
  /// True when a piece has a space behind something else: a merge may then reach across words.
  private(set) var crossesWords = false

  private static let space: [UInt8] = [0xe2, 0x96, 0x81]  // ▁

  init(_ model: OpaquePointer, pieces: Int32, ids: SentencePieceTokenizer.Ids) {
    if ids == .fairseq {
      for text in ["<s>", "<pad>", "</s>", "<unk>"] { appendSpecial(text) }
    }
    // fairseq leaves out the model's own <unk>, <s> and </s>, its first three.
    for id in (ids == .fairseq ? 3 : 0)..<max(pieces, 3) where id < pieces {
      var count = 0
      let start = sentencepiece_spelling(model, id, &count)
      let raw = UnsafeRawBufferPointer(start: start, count: count)
      let spelling = String(decoding: raw, as: UTF8.self)
      switch sentencepiece_kind(model, id) {
      case SENTENCEPIECE_CONTROL, SENTENCEPIECE_UNKNOWN: appendSpecial(spelling)
      case SENTENCEPIECE_BYTE:
        // <0xAB>
        append([UInt8(spelling.dropFirst(3).prefix(2), radix: 16) ?? 0x3f])
      default: append(Array(raw))
      }
    }
    if ids == .fairseq { appendSpecial("<mask>") }
  }

  private mutating func appendSpecial(_ text: String) {
    special.append((text, Int32(table.count)))
    table.append(Array(text.utf8), isSpecial: true)
  }

  private mutating func append(_ spelling: [UInt8]) {
    var bytes = [UInt8]()
    var position = 0
    var onlySpaces = true
    while position < spelling.count {
      if spelling[position...].starts(with: Self.space) {
        if !onlySpaces { crossesWords = true }
        bytes.append(0x20)
        position += 3
      } else {
        if spelling[position] == 0x20 { crossesWords = true }
        onlySpaces = false
        bytes.append(spelling[position])
        position += 1
      }
    }
    table.append(bytes)
  }
}
