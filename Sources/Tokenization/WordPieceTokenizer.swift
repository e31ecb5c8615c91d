/// BERT's tokenizer: normalised text cut at white space and punctuation, each word spelt by the
/// longest pieces of the vocabulary, first to last; Hugging Face's `BertTokenizer`.
public struct WordPieceTokenizer: Tokenizer {
  public let identity: VocabularyIdentity
  /// `[CLS]` and `[SEP]`.
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?
  public let padding: Int32

  /// Words of more scalars than this are `[UNK]`.
  private static let longestWord = 100
  static let specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

  private let normalizer: BERTNormalizer
  private let tokens: [[UInt8]]
  private let specialIds: Set<Int32>
  private let unknown: Int32
  private let starts: ByteStringTable  // pieces that begin a word
  private let continuations: ByteStringTable  // `##piece`, without the ##
  private let matcher: SpecialTokenMatcher

  /// - Parameters:
  ///   - vocabulary: the text of vocab.txt, one token a line; a line's number is the id.
  ///   - stripAccents: nil does as `lowercase` does, like the published tokenizer.
  ///   - chineseCharacters: CJK ideographs are words of their own.
  public init(
    vocabulary: String, lowercase: Bool = true, stripAccents: Bool? = nil,
    chineseCharacters: Bool = true, name: String = ""
  ) throws {
    var lines = vocabulary.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
      .map { $0.last == 0x0d ? Array($0.dropLast()) : Array($0) }
    if lines.last?.isEmpty == true { lines.removeLast() }
    guard lines.count <= 1 << 24 else {
      throw TokenizerError("a vocabulary of \(lines.count) tokens")
    }
    tokens = lines
    let starts = ByteStringTable(minimumCapacity: lines.count)
    let continuations = ByteStringTable(minimumCapacity: lines.count)
    for (id, token) in lines.enumerated() {
      let isContinuation = token.starts(with: [0x23, 0x23]) && token.count > 2
      token.withUnsafeBufferPointer { bytes in
        starts.insert(bytes, id: Int32(id))
        if isContinuation {
          continuations.insert(UnsafeBufferPointer(rebasing: bytes[2...]), id: Int32(id))
        }
      }
    }
    let special = Self.specialTokens.compactMap { text in
      let id = Array(text.utf8).withUnsafeBufferPointer { starts.id($0) }
      return id >= 0 ? (text: text, id: id) : nil
    }
    self.starts = starts
    self.continuations = continuations
    unknown = try Self.required("[UNK]", in: special)
    padding = try Self.required("[PAD]", in: special)
    beginningOfSequence = try Self.required("[CLS]", in: special)
    endOfSequence = try Self.required("[SEP]", in: special)
    specialIds = Set(special.map(\.id))
    matcher = SpecialTokenMatcher(special)
    normalizer = BERTNormalizer(
      lowercase: lowercase, stripAccents: stripAccents ?? lowercase,
      separatesIdeographs: chineseCharacters)

    var fingerprint = Fingerprint()
    fingerprint.combine("word-piece")
    fingerprint.combine(lowercase ? 1 : 0)
    fingerprint.combine((stripAccents ?? lowercase) ? 1 : 0)
    fingerprint.combine(chineseCharacters ? 1 : 0)
    fingerprint.combine(vocabulary)
    identity = VocabularyIdentity(
      name: name, vocabularySize: lines.count, digest: fingerprint.hexadecimal)
  }

  private static func required(
    _ text: String, in tokens: [(text: String, id: Int32)]
  ) throws -> Int32 {
    guard let token = tokens.first(where: { $0.text == text }) else {
      throw TokenizerError("the vocabulary has no \(text)")
    }
    return token.id
  }

  // MARK: - Encoding

  /// `[CLS]`, the ids of the text, `[SEP]`; not more than `maximumLength` (≥ 2) of them, cut
  /// from the end of the text. Special tokens in the text are parsed.
  public func encode(_ text: String, maximumLength: Int?) -> [Int32] {
    var text = text
    return text.withUTF8 { encode($0, maximumLength: maximumLength) }
  }

  /// As above, for UTF-8 bytes.
  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, maximumLength: Int?
  ) -> [Int32] {
    precondition(maximumLength ?? 2 >= 2, "no room for [CLS] and [SEP]")
    var ids = encode(text, specialTokens: .parse)
    if let maximumLength, ids.count > maximumLength - 2 {
      ids.removeLast(ids.count - (maximumLength - 2))
    }
    return [beginningOfSequence!] + ids + [endOfSequence!]
  }

  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokenHandling
  ) -> [Int32] {
    if let first = UTF8Text.firstIllFormed(in: text) {
      let repaired = UTF8Text.repaired(text, from: first)
      return repaired.withUnsafeBufferPointer { encode($0, specialTokens: specialTokens) }
    }
    var ids = [Int32]()
    if specialTokens == .text {
      append(text, to: &ids)
    } else {
      matcher.split(text, text: { text, _ in append(text, to: &ids) }, token: { ids.append($0) })
    }
    return ids
  }

  private func append(_ text: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
    var word = [UInt8]()
    var scalarsInWord = 0
    func endWord() {
      if scalarsInWord > Self.longestWord {
        ids.append(unknown)
      } else if scalarsInWord > 0 {
        word.withUnsafeBufferPointer { appendPieces(of: $0, to: &ids) }
      }
      word.removeAll(keepingCapacity: true)
      scalarsInWord = 0
    }
    for scalar in normalizer.normalize(text) {
      if scalar == 0x20 {
        endWord()
        continue
      }
      let isPunctuation = Self.isPunctuation(scalar)
      if isPunctuation { endWord() }
      if scalarsInWord < Self.longestWord { UTF8Text.append(scalar, to: &word) }
      scalarsInWord += 1
      if isPunctuation { endWord() }
    }
    endWord()
  }

  /// The longest piece that fits, again and again; `[UNK]` for the whole word where none does.
  private func appendPieces(of word: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
    let first = ids.count
    let base = word.baseAddress!
    var start = 0
    while start < word.count {
      let table = start == 0 ? starts : continuations
      var hash = ByteStringTable.emptyHash
      var end = start
      var best: (id: Int32, end: Int) = (-1, start)
      let limit = min(word.count, start + table.longest)
      while end < limit {
        hash = ByteStringTable.hash(hash, word[end])
        end += 1
        let id = table.id(base + start, count: end - start, hash: hash)
        if id >= 0 { best = (id, end) }
      }
      if best.id < 0 {
        ids.removeLast(ids.count - first)
        ids.append(unknown)
        return
      }
      ids.append(best.id)
      start = best.end
    }
  }

  /// BERT's punctuation: category P, and all of ASCII that is neither letter, digit nor space.
  private static func isPunctuation(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: true
    case ..<0x80: false
    default: ScalarClasses.shared.flags(scalar) & ScalarClasses.punctuation != 0
    }
  }

  // MARK: - Decoding

  /// Words joined by spaces, `##` pieces to what is before them. What the normaliser took away
  /// does not come back.
  public func decode(
    _ ids: some Sequence<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    var result = [UInt8]()
    for id in ids {
      guard id >= 0, Int(id) < tokens.count else { continue }
      if skippingSpecialTokens && specialIds.contains(id) { continue }
      let token = tokens[Int(id)]
      if token.starts(with: [0x23, 0x23]) && token.count > 2 && !result.isEmpty {
        result += token[2...]
      } else {
        if !result.isEmpty { result.append(0x20) }
        result += token
      }
    }
    return result
  }
}
