import CSentencePiece

/// A SentencePiece model (`tokenizer.model` of Llama 2, Mistral and OpenLLaMA,
/// `sentencepiece.bpe.model` of XLM-RoBERTa), read and applied by libsentencepiece.
public final class SentencePieceTokenizer: Tokenizer, @unchecked Sendable {
  /// How a piece's number becomes a token's id.
  public enum Ids: String, Sendable {
    /// The piece's own number.
    case own
    /// XLM-RoBERTa's, after fairseq: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, each other piece's
    /// number plus 1, and `<mask>` behind them.
    case fairseq
  }

  public let identity: VocabularyIdentity
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?
  public let addsLeadingSpace: Bool

  /// A text is encoded in parts of about so many bytes where it can be cut: merging takes
  /// more time per byte the longer the text is.
  private static let partSize = 1024

  private let model: OpaquePointer
  private let ids: Ids
  private let unknown: Int32
  private let canBeCut: Bool
  private let table: TokenTable
  private let matcher: SpecialTokenMatcher

  /// - Parameter model: the bytes of a serialised `ModelProto`.
  public init(
    model bytes: UnsafeRawBufferPointer, ids: Ids = .own, name: String = ""
  ) throws {
    guard let outline = SentencePieceOutline(bytes),
      let model = sentencepiece_open(bytes.baseAddress, bytes.count)
    else { throw TokenizerError("not a SentencePiece model") }
    self.model = model
    self.ids = ids
    let pieces = sentencepiece_size(model)
    let spellings = SentencePieceTable(model, pieces: pieces, ids: ids)
    table = spellings.table
    matcher = SpecialTokenMatcher(spellings.special)
    addsLeadingSpace = outline.addsDummyPrefix
    canBeCut = outline.kind == .bytePair && outline.addsDummyPrefix && !spellings.crossesWords
    unknown = ids == .fairseq ? 3 : sentencepiece_unknown(model)
    beginningOfSequence = ids == .fairseq ? 0 : Self.present(sentencepiece_beginning(model))
    endOfSequence = ids == .fairseq ? 2 : Self.present(sentencepiece_end(model))

    var fingerprint = Fingerprint()
    fingerprint.combine("sentence-piece")
    fingerprint.combine(ids.rawValue)
    for byte in bytes { fingerprint.combine(byte: byte) }
    identity = VocabularyIdentity(
      name: name, vocabularySize: table.count, digest: fingerprint.hexadecimal)
  }

  deinit { sentencepiece_close(model) }

  private static func present(_ id: Int32) -> Int32? { id < 0 ? nil : id }

  // MARK: - Encoding

  /// With `.parse` every run of text between special tokens begins with the model's leading space.
  public func encode(
    _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokenHandling
  ) -> [Int32] {
    if let first = UTF8Text.firstIllFormed(in: text) {
      let repaired = UTF8Text.repaired(text, from: first)
      return repaired.withUnsafeBufferPointer { encode($0, specialTokens: specialTokens) }
    }
    var result = [Int32]()
    result.reserveCapacity(text.count / 3)
    func appendParts(_ text: UnsafeBufferPointer<UInt8>) {
      for part in cut(text, size: Self.partSize) {
        append(UnsafeBufferPointer(rebasing: text[part]), to: &result)
      }
    }
    if specialTokens == .text {
      appendParts(text)
    } else {
      matcher.split(text, text: { text, _ in appendParts(text) }, token: { result.append($0) })
    }
    return result
  }

  public func independentParts(
    of text: UnsafeBufferPointer<UInt8>, size: Int
  ) -> [Range<Int>] {
    matcher.mayHoldWhiteSpace ? [0..<text.count] : cut(text, size: size)
  }

  /// The library puts the space before each part again, and merges do not reach from a letter to a
  /// space.
  private func cut(_ text: UnsafeBufferPointer<UInt8>, size: Int) -> [Range<Int>] {
    canBeCut ? UTF8Text.partsAtSpaces(of: text, size: size) : [0..<text.count]
  }

  private func append(_ text: UnsafeBufferPointer<UInt8>, to result: inout [Int32]) {
    guard let base = text.baseAddress, !text.isEmpty else { return }
    let first = result.count
    let status = base.withMemoryRebound(to: CChar.self, capacity: text.count) { base in
      withUnsafeMutablePointer(to: &result) { result in
        sentencepiece_encode(model, base, text.count, result) { context, ids, count in
          context!.assumingMemoryBound(to: [Int32].self).pointee.append(
            contentsOf: UnsafeBufferPointer(start: ids, count: count))
        }
      }
    }
    // The library refuses nothing that is UTF-8; should it, the text is unknown to it.
    if status != 0 { result.append(unknown) }
    if ids == .fairseq {
      let raw = sentencepiece_unknown(model)
      for index in first..<result.count {
        result[index] = result[index] == raw ? unknown : result[index] + 1
      }
    }
  }

  // MARK: - Decoding

  /// The pieces' text, ▁ as a space, byte pieces as bytes. The space that was put before the text
  /// is kept, since the ids may be from the middle of one (see `addsLeadingSpace`).
  public func decode(
    _ ids: some Sequence<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    table.decode(ids, skippingSpecialTokens: skippingSpecialTokens)
  }
}
