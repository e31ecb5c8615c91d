/// A number hidden in a long text, and the question for it at the end.
public enum NeedleTask: String, CaseIterable, Sendable {
  /// The passkey of Landmark Attention (Mohtashami and Jaggi 2023, arXiv 2305.16300).
  case passkey
  /// The magic number of a word (RULER's single needle, Hsieh et al. 2024, arXiv 2404.06654).
  case needle

  /// What stands in the text when no haystack is given: the sentences of the passkey task.
  public static let filler =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n"

  private static let words = [
    "Amsterdam", "Bergen", "Cordoba", "Dresden", "Exeter", "Florence", "Geneva", "Hamburg",
  ]

  public var digits: Int { self == .passkey ? 5 : 7 }

  /// What stands before the haystack.
  public var introduction: String {
    switch self {
    case .passkey:
      "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
        + "I will quiz you about the important information there.\n"
    case .needle:
      "Some special magic numbers are hidden within the following text. Make sure to memorize "
        + "them. I will quiz you about the numbers afterwards.\n"
    }
  }

  fileprivate func hidden(_ key: String, _ word: String) -> String {
    switch self {
    case .passkey:
      "\nThe pass key is \(key). Remember it. \(key) is the pass key.\n"
    case .needle: "\nOne of the special magic numbers for \(word) is: \(key).\n"
    }
  }

  fileprivate func question(_ word: String) -> String {
    switch self {
    case .passkey: "\nWhat is the pass key? The pass key is"
    case .needle:
      "\nWhat is the special magic number for \(word) mentioned in the provided text? The special "
        + "magic number for \(word) mentioned in the provided text is"
    }
  }

  /// The trial of this number: the same for every length and depth, whatever else is asked.
  public func trial(_ number: Int, seed: UInt64) -> NeedleTrial {
    var random = SplitMix64(seed: seed &* 0x1_0000 &+ UInt64(number))
    let word = Self.words[random.index(below: Self.words.count)]
    var keys: [String] = []
    while keys.count < NeedleTrial.candidates {
      let digits = (0..<digits).map {
        $0 == 0 ? 1 + random.index(below: 9) : random.index(below: 10)
      }
      let key = digits.map(String.init).joined()
      if !keys.contains(key) { keys.append(key) }
    }
    return NeedleTrial(
      keys: keys, needle: hidden(keys[0], word), question: question(word),
      start: random.index(below: 1 << 20))
  }
}

/// A key, its text and its question.
public struct NeedleTrial: Equatable, Sendable {
  /// Keys among which the right one is ranked.
  public static let candidates = 10

  /// The right one first.
  public let keys: [String]
  public let needle: String
  public let question: String
  /// Where in the haystack the text begins, to be taken modulo its length.
  let start: Int

  public var key: String { keys[0] }

  /// The document of exactly `length` tokens that precedes the question, and where its needle lies.
  ///
  /// - Parameters:
  ///   - haystack: tokens of the filler, repeated as needed.
  ///   - depth: 0 puts the needle right after the introduction, 1 at the end.
  /// - Throws: ``ResultError`` where introduction and needle do not fit.
  public func document(
    length: Int, depth: Double, introduction: [Int32], needle: [Int32], haystack: [Int32]
  ) throws -> (tokens: [Int32], needle: Range<Int>) {
    precondition(!haystack.isEmpty && (0...1).contains(depth))
    let filler = length - introduction.count - needle.count
    guard filler >= 0 else {
      throw ResultError(
        "a text of \(length) tokens cannot hold an introduction of \(introduction.count) and a "
          + "needle of \(needle.count)")
    }
    let before = Int((Double(filler) * depth).rounded())
    let hay = (0..<filler).map { haystack[(start + $0) % haystack.count] }
    let place = introduction.count + before
    return (
      introduction + hay[..<before] + needle + hay[before...], place..<place + needle.count
    )
  }

  /// Whether the text generated begins with the key and nothing that makes it another number.
  public func accepts(_ answer: String) -> Bool {
    let digits = answer.drop { !$0.isASCII || !$0.isNumber }.prefix { $0.isASCII && $0.isNumber }
    let before = answer.prefix { !$0.isNumber }
    return digits == key[...] && before.allSatisfy { $0.isWhitespace || $0 == ":" }
  }
}
