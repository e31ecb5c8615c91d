/// Text to token ids and back: the interface of every tokenizer of this module.

/// What a tokenizer is, small enough to be written into a file and compared.
public struct VocabularyIdentity: Hashable, Sendable {
  public let name: String
  /// The number of ids; every id the tokenizer gives is below it.
  public let vocabularySize: Int
  /// Hexadecimal fingerprint of the vocabulary, the merges and the settings (see `Fingerprint`).
  public let digest: String

  public init(name: String, vocabularySize: Int, digest: String) {
    self.name = name
    self.vocabularySize = vocabularySize
    self.digest = digest
  }
}

/// What happens to the spelling of a special token (`<|im_start|>`, `[CLS]`) in ordinary text.
public enum SpecialTokenHandling: String, Sendable, CaseIterable {
  /// It becomes the special token's id, as in the Hugging Face tokenizers.
  case parse
  /// It is text like any other.
  case text
}

public protocol Tokenizer: Sendable {
  var identity: VocabularyIdentity { get }
  var beginningOfSequence: Int32? { get }
  var endOfSequence: Int32? { get }

  /// The ids of UTF-8 text. Ill-formed UTF-8 counts as U+FFFD (see `UTF8Text.repaired`).
  /// No begin or end token is added. May be called from any thread.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokenHandling
  ) -> [Int32]

  /// Ranges of the text whose ids one after the other are the ids of
  /// the whole; of about `size` bytes each, or more where it has no place to be cut.
  func independentParts(of text: UnsafeBufferPointer<UInt8>, size: Int) -> [Range<Int>]

  /// True where the ids of a text begin with a space that the text does not have.
  var addsLeadingSpace: Bool { get }

  /// The bytes of the ids; not necessarily UTF-8, since an id may end inside a character.
  /// Ids outside the vocabulary give nothing.
  func decode(_ ids: some Sequence<Int32>, skippingSpecialTokens: Bool) -> [UInt8]
}

extension Tokenizer {
  public var addsLeadingSpace: Bool { false }

  public func independentParts(
    of text: UnsafeBufferPointer<UInt8>, size: Int
  ) -> [Range<Int>] { [0..<text.count] }

  public func encode(_ text: String, specialTokens: SpecialTokenHandling = .parse) -> [Int32] {
    var text = text
    return text.withUTF8 { encode($0, specialTokens: specialTokens) }
  }

  public func encode(_ text: [UInt8], specialTokens: SpecialTokenHandling = .parse) -> [Int32] {
    text.withUnsafeBufferPointer { encode($0, specialTokens: specialTokens) }
  }

  /// The ids as text: the decoded bytes with ill-formed sequences replaced by U+FFFD.
  public func decodeText(_ ids: some Sequence<Int32>, skippingSpecialTokens: Bool) -> [UInt8] {
    UTF8Text.repaired(decode(ids, skippingSpecialTokens: skippingSpecialTokens))
  }
}

/// A vocabulary that cannot be used, in one line.
public struct TokenizerError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
