/// The byte-level tokenizer from the arrays that a GGUF file stores.
extension BytePairTokenizer {
  /// The pre-tokenizers known here, by llama.cpp's names.
  public static let preTokenizers = PreTokenizer.Rule.allCases.map(\.rawValue) + ["default"]

  /// The byte-level tokenizer of the GPT-2 family.
  ///
  /// - Parameters:
  ///   - tokens: by id, in the byte-to-character spelling of GPT-2 (`Ġ` is a space).
  ///   - merges: `left right`, lowest rank first.
  ///   - tokenTypes: GGUF's token types by id; 3 (control) and 4 (user-defined) are special.
  ///     A user-defined token is found in text always, a control token when asked for.
  ///   - preTokenizer: one of `preTokenizers`. `llama-bpe` takes a piece that is a token for it, and
  ///     `qwen2` composes the text (NFC), as those models' tokenizer.json do.
  public init(
    tokens: [String], merges: [String], tokenTypes: [Int], preTokenizer: String,
    name: String = "", beginningOfSequence: Int32? = nil, endOfSequence: Int32? = nil
  ) throws {
    guard let steps = Self.steps(of: preTokenizer) else {
      throw TokenizerError(
        "pre-tokenizer \(preTokenizer) is not known (known: "
          + "\(Self.preTokenizers.joined(separator: ", ")))")
    }
    let list = try TokenList(tokens, types: tokenTypes)
    let rule = PreTokenizer.Rule(rawValue: preTokenizer)
    let table = list.byteLevelTable()
    self.init(
      Parts(
        model: BytePairModel(
          alphabet: SpellingAlphabet(
            idOfByte: list.idsOfSpeltBytes(), unknown: nil, fusesUnknown: false),
          merges: try list.mergeTable(of: merges.map { TokenMerge($0) }),
          rankCount: merges.count,
          wholePieces: rule?.takesWholePieces == true ? list.wholePieces() : nil),
        normalizer: rule?.normalizer, steps: steps, addedTokens: list.added, table: table,
        cutting: rule == nil ? .nowhere : .beforeSpaceOrLine),
      identity: VocabularyIdentity(
        name: name, vocabularySize: tokens.count,
        digest: Self.digest(
          tokens: tokens, merges: merges, tokenTypes: tokenTypes, preTokenizer: preTokenizer)),
      beginningOfSequence: beginningOfSequence, endOfSequence: endOfSequence)
  }

  /// nil for a name that is not known.
  private static func steps(of preTokenizer: String) -> [PreTokenizationStep]? {
    if let rule = PreTokenizer.Rule(rawValue: preTokenizer) { return [.scan(PreTokenizer(rule))] }
    guard preTokenizer == "default" else { return nil }
    // llama.cpp's own, one after the other.
    let expressions = [
      #"[\p{P}$+<=>^~|]+"#,
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#,
      #"\p{N}+"#, "[0-9][0-9][0-9]",
    ]
    return expressions.map { .split(PieceSplit(.expression(Expression($0)!), .isolated)) }
  }

  /// The `digest` of the tokenizer that these arrays make.
  public static func digest(
    tokens: [String], merges: [String], tokenTypes: [Int], preTokenizer: String
  ) -> String {
    fingerprint(
      tokens: tokens, merges: merges, tokenTypes: tokenTypes, preTokenizer: preTokenizer
    ).hexadecimal
  }

  static func fingerprint(
    tokens: [String], merges: [String], tokenTypes: [Int], preTokenizer: String
  ) -> Fingerprint {
    var fingerprint = Fingerprint()
    fingerprint.combine("byte-pair")
    fingerprint.combine(preTokenizer)
    fingerprint.combine(tokens)
    fingerprint.combine(merges)
    fingerprint.combine(tokenTypes.count)
    for type in tokenTypes { fingerprint.combine(type) }
    return fingerprint
  }
}
