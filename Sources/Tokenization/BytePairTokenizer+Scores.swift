/// SentencePiece's byte-pair tokenizer from the arrays that a GGUF file stores.
extension BytePairTokenizer {
  /// The tokenizer of SentencePiece's byte-pair models, whose merges follow from scores.
  ///
  /// - Parameters:
  ///   - tokens: by id, with U+2581 for a space and `<0x0A>` for a byte.
  ///   - scores: by id; the pair whose token has the highest is merged first.
  ///   - tokenTypes: GGUF's: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  ///   - addsLeadingSpace: a space is put before the text, and with special tokens parsed before
  ///     every run of text between them.
  public init(
    tokens: [String], scores: [Double], tokenTypes: [Int], addsLeadingSpace: Bool,
    name: String = "", beginningOfSequence: Int32? = nil, endOfSequence: Int32? = nil
  ) throws {
    guard scores.count == tokens.count, scores.allSatisfy(\.isFinite) else {
      throw TokenizerError("\(tokens.count) tokens but \(scores.count) scores that are numbers")
    }
    let list = try TokenList(tokens, types: tokenTypes) { $0.isMade || $0 == .byte }
    let (merges, rankCount) = try list.mergeTable(scores: scores)
    let mark = Array("\u{2581}".utf8)
    let bytes = list.idsOfByteTokens(fallback: true)
    let words = WordBoundaries(list, mark: mark, bytes: bytes)
    let marks = TextNormalizer(steps: [.replace(.literal([0x20]), mark)])
    let normalized = TextNormalizer(
      steps: (addsLeadingSpace ? [.prepend(mark)] : []) + marks.steps)
    self.init(
      Parts(
        model: BytePairModel(
          alphabet: SpellingAlphabet(
            characters: list.ids, idOfByte: bytes,
            unknown: list.kinds.firstIndex(of: .unknown).map { Int32($0) }, fusesUnknown: true),
          merges: merges, rankCount: rankCount, words: words),
        normalizer: normalized, steps: [], addedTokens: list.added.filter(\.isSpecial),
        normalizedTokens: list.added.filter { !$0.isSpecial }.map { $0.normalized(by: marks) },
        table: list.spaceMarkTable(mark: mark, bytes: bytes), addsLeadingSpace: addsLeadingSpace,
        cutting: .of(words: words, addsLeadingSpace: addsLeadingSpace)),
      identity: VocabularyIdentity(
        name: name, vocabularySize: tokens.count,
        digest: Self.digest(
          tokens: tokens, scores: scores, tokenTypes: tokenTypes,
          addsLeadingSpace: addsLeadingSpace)),
      beginningOfSequence: beginningOfSequence, endOfSequence: endOfSequence)
  }

  /// The `digest` of the tokenizer that these arrays make.
  public static func digest(
    tokens: [String], scores: [Double], tokenTypes: [Int], addsLeadingSpace: Bool
  ) -> String {
    var fingerprint = Fingerprint()
    fingerprint.combine("scored-pair")
    fingerprint.combine(addsLeadingSpace ? 1 : 0)
    fingerprint.combine(tokens)
    for score in scores { fingerprint.combine(Int(truncatingIfNeeded: score.bitPattern)) }
    for type in tokenTypes { fingerprint.combine(type) }
    return fingerprint.hexadecimal
  }
}

extension BytePairTokenizer.Cutting {
  /// Of the SentencePiece family.
  static func of(words: WordBoundaries?, addsLeadingSpace: Bool) -> Self {
    words == nil ? .nowhere : addsLeadingSpace ? .atSpace : .beforeSpace
  }
}
