import Safetensors

extension TokenizerJSON {
  /// The tokenizer of a `BPE` model.
  func bytePair(name: String) throws -> BytePairTokenizer {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard try model.text(key, or: "").isEmpty else {
        throw model.refusal("with \(key) is not supported")
      }
    }
    guard model["dropout"]?.doubleValue ?? 0 == 0 else {
      throw model.refusal("with dropout is not supported")
    }
    let vocabulary = try JSONVocabulary(model, addedTokens)
    let merges = try JSONVocabulary.merges(model)
    let normalizer = try TextNormalizer(self.normalizer)
    let preTokenizer = try JSONPreTokenizer(
      self.preTokenizer, replacesSpaces: normalizer.spaceMark != nil)
    let list = vocabulary.list
    let table = try list.mergeTable(of: merges, lastWins: true)
    var parts =
      preTokenizer.isByteLevel
      ? try byteLevelParts(list, table, preTokenizer, normalizer)
      : try characterParts(list, table, preTokenizer, normalizer)
    parts.model.rankCount = merges.count
    parts.normalizer = normalizer.steps.isEmpty ? nil : normalizer
    for token in addedTokens {
      let added = token.token(id: vocabulary.id(of: token))
      if token.isNormalized {
        parts.normalizedTokens.append(added.normalized(by: normalizer))
      } else {
        parts.addedTokens.append(added)
      }
    }
    if let mark = normalizer.spaceMark, parts.normalizedTokens.contains(where: { $0.holds(mark) }) {
      parts.cutting = .nowhere
    }
    return BytePairTokenizer(
      parts,
      identity: VocabularyIdentity(
        name: name, vocabularySize: list.tokens.count,
        digest: digest(vocabulary, merges, preTokenizer.rule)),
      beginningOfSequence: try boundary(boundaries.begin, vocabulary),
      endOfSequence: try boundary(boundaries.end, vocabulary))
  }

  private func byteLevelParts(
    _ list: TokenList, _ merges: PairTable, _ preTokenizer: JSONPreTokenizer,
    _ normalizer: TextNormalizer
  ) throws -> BytePairTokenizer.Parts {
    let alphabet = SpellingAlphabet(
      idOfByte: list.idsOfSpeltBytes(), unknown: try unknown(list),
      fusesUnknown: try model.flag("fuse_unk", or: false))
    return BytePairTokenizer.Parts(
      model: BytePairModel(
        alphabet: alphabet, merges: merges, rankCount: 0,
        wholePieces: try model.flag("ignore_merges", or: false) ? list.wholePieces() : nil),
      steps: preTokenizer.steps, addedTokens: [], table: list.byteLevelTable(),
      addsLeadingSpace: preTokenizer.addsSpace,
      cutting: preTokenizer.rule != nil && normalizer.keepsSpaces ? .beforeSpaceOrLine : .nowhere)
  }

  private func characterParts(
    _ list: TokenList, _ merges: PairTable, _ preTokenizer: JSONPreTokenizer,
    _ normalizer: TextNormalizer
  ) throws -> BytePairTokenizer.Parts {
    let mark = preTokenizer.mark?.bytes ?? normalizer.spaceMark
    let bytes = list.idsOfByteTokens(fallback: try model.flag("byte_fallback", or: false))
    let takesWhole = try model.flag("ignore_merges", or: false)
    let words =
      takesWhole ? nil : mark.flatMap { WordBoundaries(list, mark: $0, bytes: bytes) }
    let adds =
      preTokenizer.mark.map { $0.scheme != .never } ?? mark.map(normalizer.prepends) ?? false
    let isPlain =
      normalizer.keepsWordsApart && preTokenizer.steps.count == (preTokenizer.mark == nil ? 0 : 1)
    return BytePairTokenizer.Parts(
      model: BytePairModel(
        alphabet: SpellingAlphabet(
          characters: list.ids, idOfByte: bytes, unknown: try unknown(list),
          fusesUnknown: try model.flag("fuse_unk", or: false)),
        merges: merges, rankCount: 0, wholePieces: takesWhole ? list.ids : nil,
        words: words),
      steps: preTokenizer.steps, addedTokens: [],
      table: list.spaceMarkTable(mark: mark, bytes: bytes), addsLeadingSpace: adds,
      cutting: .of(words: isPlain ? words : nil, addsLeadingSpace: adds))
  }

  private func unknown(_ list: TokenList) throws -> Int32? {
    guard let token = try model.text("unk_token") else { return nil }
    let id = list.id(token.utf8)
    guard id >= 0 else { throw model.refusal("has no token \(token), its unk_token") }
    return id
  }

  private func boundary(_ token: String?, _ vocabulary: JSONVocabulary) throws -> Int32? {
    guard let token else { return nil }
    guard let id = vocabulary.id(token) else {
      throw TokenizerError("no token \(token), which begins or ends a text")
    }
    return id
  }

  /// As the GGUF of the same vocabulary has it, where nothing but the vocabulary and a well-known rule
  /// makes the tokenizer.
  private func digest(
    _ vocabulary: JSONVocabulary, _ merges: [TokenMerge], _ rule: PreTokenizer.Rule?
  ) -> String {
    var fingerprint = BytePairTokenizer.fingerprint(
      tokens: vocabulary.list.tokens, merges: merges.map(\.description),
      tokenTypes: vocabulary.list.kinds.map(\.rawValue), preTokenizer: rule?.rawValue ?? "")
    let isPlain =
      rule != nil && normalizer?.type == (rule == .qwen2 ? "NFC" : nil)
      && (model["unk_token"] == nil || vocabulary.list.idsOfSpeltBytes().allSatisfy { $0 >= 0 })
      && addedTokens.allSatisfy(\.isPlain)
      && (model["ignore_merges"]?.boolValue ?? false) == (rule == .llama3)
    if !isPlain { fingerprint.combine(settings) }
    return fingerprint.hexadecimal
  }
}
