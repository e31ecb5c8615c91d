import Synchronization

/// The byte-level byte-pair tokenizer of the GPT-2 family, from the arrays a GGUF file stores.
///
/// Gives the ids of Hugging Face's `tokenizers` (`BPE` behind `ByteLevel`). A byte that the
/// vocabulary has no token for is left out, as it is there.
public struct BytePairTokenizer: Tokenizer {
  public let identity: VocabularyIdentity
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?

  private let preTokenizer: PreTokenizer
  private let merges: PairTable
  private let mergeCount: Int
  private let idOfByte: [Int32]
  private let controlMatcher: SpecialTokenMatcher  // control and user-defined tokens
  private let userMatcher: SpecialTokenMatcher  // user-defined tokens alone
  private let bytesOfTokens: [UInt8]
  private let offsetOfToken: [Int]
  private let isControl: [Bool]
  private let encoders = EncoderPool()

  /// The pre-tokenizers known here, by llama.cpp's names.
  public static let preTokenizers = ["gpt-2", "smollm"]

  /// The token types of GGUF that matter here; the rest are vocabulary like any other.
  private enum TokenType {
    static let control = 3, userDefined = 4
  }

  /// - Parameters:
  ///   - tokens: by id, in the byte-to-character spelling of GPT-2 (`Ġ` is a space).
  ///   - merges: `left right`, lowest rank first.
  ///   - tokenTypes: GGUF's token types by id; 3 (control) and 4 (user-defined) are special.
  ///     A user-defined token is found in text always, a control token when asked for.
  ///   - preTokenizer: one of `preTokenizers`.
  public init(
    tokens: [String], merges: [String], tokenTypes: [Int], preTokenizer: String,
    name: String = "", beginningOfSequence: Int32? = nil, endOfSequence: Int32? = nil
  ) throws {
    guard Self.preTokenizers.contains(preTokenizer) else {
      throw TokenizerError(
        "pre-tokenizer \(preTokenizer) is not known (known: "
          + "\(Self.preTokenizers.joined(separator: ", ")))")
    }
    guard tokenTypes.count == tokens.count else {
      throw TokenizerError("\(tokens.count) tokens but \(tokenTypes.count) token types")
    }
    guard !tokens.isEmpty, tokens.count <= 1 << 24, merges.count <= 1 << 24 else {
      throw TokenizerError("a vocabulary of \(tokens.count) tokens, \(merges.count) merges")
    }
    identity = VocabularyIdentity(
      name: name, vocabularySize: tokens.count,
      digest: Self.digest(
        tokens: tokens, merges: merges, tokenTypes: tokenTypes, preTokenizer: preTokenizer))
    self.beginningOfSequence = beginningOfSequence
    self.endOfSequence = endOfSequence
    self.preTokenizer = PreTokenizer(individualDigits: preTokenizer == "smollm")

    let idOfToken = ByteStringTable(minimumCapacity: tokens.count)
    for (id, token) in tokens.enumerated() {
      var token = token
      token.withUTF8 { idOfToken.insert($0, id: Int32(id)) }
    }
    let alphabet = ByteAlphabet()
    idOfByte = alphabet.characters.map { character in
      Array(String(character).utf8).withUnsafeBufferPointer { idOfToken.id($0) }
    }
    self.merges = try Self.table(of: merges, idOfToken)
    mergeCount = merges.count

    func special(_ types: Set<Int>) -> SpecialTokenMatcher {
      SpecialTokenMatcher(
        zip(tokens, tokenTypes).enumerated().compactMap { id, token in
          types.contains(token.1) ? (token.0, Int32(id)) : nil
        })
    }
    controlMatcher = special([TokenType.control, TokenType.userDefined])
    userMatcher = special([TokenType.userDefined])
    isControl = tokenTypes.map { $0 == TokenType.control }
    (bytesOfTokens, offsetOfToken) = Self.bytes(of: tokens, types: tokenTypes, alphabet)
  }

  /// The `digest` of the tokenizer that these arrays make.
  public static func digest(
    tokens: [String], merges: [String], tokenTypes: [Int], preTokenizer: String
  ) -> String {
    var fingerprint = Fingerprint()
    fingerprint.combine("byte-pair")
    fingerprint.combine(preTokenizer)
    fingerprint.combine(tokens)
    fingerprint.combine(merges)
    fingerprint.combine(tokenTypes.count)
    for type in tokenTypes { fingerprint.combine(type) }
    return fingerprint.hexadecimal
  }

  // MARK: - Encoding

  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokenHandling
  ) -> [Int32] {
    if let first = UTF8Text.firstIllFormed(in: text) {
      let repaired = UTF8Text.repaired(text, from: first)
      return repaired.withUnsafeBufferPointer { encode($0, specialTokens: specialTokens) }
    }
    let encoder =
      encoders.take()
      ?? BytePairEncoder(
        merges: merges, mergeCount: mergeCount, idOfByte: idOfByte, preTokenizer: preTokenizer)
    defer { encoders.give(encoder) }
    var ids = [Int32]()
    ids.reserveCapacity(text.count / 3)
    let matcher = specialTokens == .parse ? controlMatcher : userMatcher
    matcher.split(
      text, text: { encoder.encode($0, into: &ids) }, special: { ids.append($0) })
    return ids
  }

  /// Cuts text so that the ids of the parts, one after the other, are the ids of the whole:
  /// between an ASCII letter and white space, where a piece always ends.
  /// Each part has about `size` bytes, or more where there is no such place.
  public func independentParts(
    of text: UnsafeBufferPointer<UInt8>, size: Int
  ) -> [Range<Int>] {
    if text.count <= size || controlMatcher.mayHoldWhiteSpace { return [0..<text.count] }
    var parts = [Range<Int>]()
    var start = 0
    var position = size
    while position < text.count {
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(text[position - 1] | 0x20)
      if isLetter && (text[position] == 0x20 || text[position] == 0x0a) {
        parts.append(start..<position)
        start = position
        position += size
      } else {
        position += 1
      }
    }
    parts.append(start..<text.count)
    return parts
  }

  // MARK: - Decoding

  public func decode(
    _ ids: some Sequence<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    ids.withContiguousStorageIfAvailable {
      decode($0, skippingSpecialTokens: skippingSpecialTokens)
    }
      ?? Array(ids).withUnsafeBufferPointer {
        decode($0, skippingSpecialTokens: skippingSpecialTokens)
      }
  }

  private func decode(
    _ ids: UnsafeBufferPointer<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(5 * ids.count)
    bytesOfTokens.withUnsafeBufferPointer { bytes in
      for id in ids {
        guard id >= 0, Int(id) < isControl.count else { continue }
        if skippingSpecialTokens && isControl[Int(id)] { continue }
        let range = offsetOfToken[Int(id)]..<offsetOfToken[Int(id) + 1]
        result.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[range]))
      }
    }
    return result
  }

  // MARK: - Tables

  private static func table(
    of merges: [String], _ idOfToken: ByteStringTable
  ) throws -> PairTable {
    let table = PairTable(minimumCapacity: merges.count)
    var joined = [UInt8]()
    for (rank, merge) in merges.enumerated() {
      joined.removeAll(keepingCapacity: true)
      joined += Array(merge.utf8)
      let space = joined.firstIndex(of: 0x20) ?? joined.count
      if space < joined.count { joined.remove(at: space) }
      let (left, right, merged) = joined.withUnsafeBufferPointer { bytes in
        (
          idOfToken.id(UnsafeBufferPointer(rebasing: bytes[..<space])),
          idOfToken.id(UnsafeBufferPointer(rebasing: bytes[space...])), idOfToken.id(bytes)
        )
      }
      guard left >= 0, right >= 0, merged >= 0 else {
        throw TokenizerError("merge \(rank) (\(merge)) has no tokens in the vocabulary")
      }
      table.insert(left: left, right: right, rank: rank, merged: merged)
    }
    return table
  }

  /// The bytes of all tokens one after the other, and where each starts.
  private static func bytes(
    of tokens: [String], types: [Int], _ alphabet: ByteAlphabet
  ) -> ([UInt8], [Int]) {
    var bytes = [UInt8]()
    var offsets = [0]
    offsets.reserveCapacity(tokens.count + 1)
    for (token, type) in zip(tokens, types) {
      if type == TokenType.control || type == TokenType.userDefined {
        bytes += Array(token.utf8)
      } else {
        alphabet.append(token, to: &bytes)
      }
      offsets.append(bytes.count)
    }
    return (bytes, offsets)
  }
}

/// Encoders that no thread uses at the moment.
private final class EncoderPool: Sendable {
  private let idle = Mutex<[BytePairEncoder]>([])

  func take() -> BytePairEncoder? {
    idle.withLock { $0.popLast() }
  }

  func give(_ encoder: BytePairEncoder) {
    idle.withLock { $0.append(encoder) }
  }
}
