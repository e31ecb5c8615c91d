import Synchronization

/// A byte-pair tokenizer: the byte-level one of the GPT-2 family, or the one of the SentencePiece
/// family, from the arrays of a GGUF file or from a tokenizer.json.
///
/// Gives the ids of Hugging Face's `tokenizers` (`BPE`). What the vocabulary has no token for, nor
/// bytes, nor an unknown token, is left out, as it is there.
public struct BytePairTokenizer: Tokenizer {
  public let identity: VocabularyIdentity
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?
  public var addsLeadingSpace: Bool { parts.addsLeadingSpace }

  /// What a tokenizer is made of.
  struct Parts: Sendable {
    var model: BytePairModel
    var normalizer: TextNormalizer?
    var steps: [PreTokenizationStep]
    /// Found in the text as it comes.
    var addedTokens: [AddedToken]
    /// Found in the text between these, once it is normalised.
    var normalizedTokens: [AddedToken] = []
    var table: TokenTable
    var addsLeadingSpace = false
    var cutting: Cutting
  }

  /// Where a text may be cut without a change of its ids.
  enum Cutting: Sendable {
    case nowhere
    /// Between an ASCII letter and a space: a piece always ends there.
    case beforeSpace
    /// The same, and before a line feed.
    case beforeSpaceOrLine
    /// At a single space between two ASCII letters, which is left out: each part gets one again.
    case atSpace
  }

  private let parts: Parts
  private let matcher: SpecialTokenMatcher
  private let normalizedMatcher: SpecialTokenMatcher
  private let encoders = EncoderPool()

  init(
    _ parts: Parts, identity: VocabularyIdentity, beginningOfSequence: Int32?,
    endOfSequence: Int32?
  ) {
    self.parts = parts
    self.identity = identity
    self.beginningOfSequence = beginningOfSequence
    self.endOfSequence = endOfSequence
    matcher = SpecialTokenMatcher(parts.addedTokens)
    normalizedMatcher = SpecialTokenMatcher(parts.normalizedTokens)
  }

  // MARK: - Encoding

  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokenHandling
  ) -> [Int32] {
    if let first = UTF8Text.firstIllFormed(in: text) {
      let repaired = UTF8Text.repaired(text, from: first)
      return repaired.withUnsafeBufferPointer { encode($0, specialTokens: specialTokens) }
    }
    let encoder = encoders.take() ?? BytePairEncoder(parts.model, steps: parts.steps)
    defer { encoders.give(encoder) }
    var ids = [Int32]()
    ids.reserveCapacity(text.count / 3)
    let asText = specialTokens == .text
    matcher.split(
      text, asText: asText,
      text: { text, start in
        encode(text, beginsText: start == 0, asText: asText, encoder, into: &ids)
      },
      token: { ids.append($0) })
    return ids
  }

  /// A stretch of text between added tokens.
  private func encode(
    _ text: UnsafeBufferPointer<UInt8>, beginsText: Bool, asText: Bool,
    _ encoder: BytePairEncoder, into ids: inout [Int32]
  ) {
    guard let normalizer = parts.normalizer else {
      return find(in: text, beginsText: beginsText, asText: asText, encoder, into: &ids)
    }
    normalizer.normalize(text).withUnsafeBufferPointer {
      find(in: $0, beginsText: beginsText, asText: asText, encoder, into: &ids)
    }
  }

  /// A stretch of normalised text: its own added tokens and what is between them.
  private func find(
    in text: UnsafeBufferPointer<UInt8>, beginsText: Bool, asText: Bool,
    _ encoder: BytePairEncoder, into ids: inout [Int32]
  ) {
    if normalizedMatcher.isEmpty {
      return encoder.encode(text, beginsText: beginsText, into: &ids)
    }
    normalizedMatcher.split(
      text, asText: asText,
      text: { encoder.encode($0, beginsText: beginsText && $1 == 0, into: &ids) },
      token: { ids.append($0) })
  }

  public func independentParts(
    of text: UnsafeBufferPointer<UInt8>, size: Int
  ) -> [Range<Int>] {
    if text.count <= size || parts.cutting == .nowhere || matcher.mayHoldWhiteSpace
      || normalizedMatcher.mayHoldWhiteSpace
    {
      return [0..<text.count]
    }
    if parts.cutting == .atSpace { return UTF8Text.partsAtSpaces(of: text, size: size) }
    return UTF8Text.partsBeforeSpaces(
      of: text, size: size, atLines: parts.cutting == .beforeSpaceOrLine)
  }

  // MARK: - Decoding

  /// The tokens' bytes. The space that was put before the text is kept, since the ids may be from
  /// the middle of one (see `addsLeadingSpace`).
  public func decode(
    _ ids: some Sequence<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    parts.table.decode(ids, skippingSpecialTokens: skippingSpecialTokens)
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
