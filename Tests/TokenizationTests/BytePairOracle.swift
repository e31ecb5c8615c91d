/// The byte-pair tokenizer again, slow and simple: the regular expression tried alternative by
/// alternative, the merges one after the other over the whole piece.
struct BytePairOracle {
  private let ids: [String: Int32]
  private let ranks: [String: Int]

  init(_ vocabulary: Vocabulary) {
    ids = Dictionary(
      vocabulary.tokens.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { a, _ in a })
    ranks = Dictionary(
      vocabulary.merges.enumerated().map { ($1, $0) }, uniquingKeysWith: { a, _ in a })
  }

  /// The ids of text without special tokens.
  func encode(_ text: String) -> [Int32] {
    pieces(of: text).flatMap { piece -> [Int32] in
      var symbols = piece.utf8.map { byteSpellings[Int($0)] }.filter { ids[$0] != nil }
      while true {
        let candidates = zip(symbols, symbols.dropFirst()).map { ranks["\($0) \($1)"] ?? .max }
        guard let best = candidates.min(), best < .max else { break }
        let index = candidates.firstIndex(of: best)!
        symbols[index] += symbols.remove(at: index + 1)
      }
      return symbols.map { ids[$0]! }
    }
  }

  /// Numbers cut out one by one, the expression of GPT-2 on what is between them.
  func pieces(of text: String) -> [String] {
    var result = [String]()
    var between = [Unicode.Scalar]()
    for scalar in text.unicodeScalars {
      if Self.isNumber(scalar) {
        result += Self.split(between) + [String(scalar)]
        between = []
      } else {
        between.append(scalar)
      }
    }
    return result + Self.split(between)
  }

  private static func split(_ text: [Unicode.Scalar]) -> [String] {
    var result = [String]()
    var rest = text[...]
    while !rest.isEmpty {
      let length = contraction(rest) ?? run(rest, isLetter) ?? run(rest, isSymbol) ?? space(rest)
      var piece = String.UnicodeScalarView()
      piece.append(contentsOf: rest.prefix(length))
      result.append(String(piece))
      rest = rest.dropFirst(length)
    }
    return result
  }

  private static func contraction(_ text: ArraySlice<Unicode.Scalar>) -> Int? {
    for suffix in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]
    where text.starts(with: suffix.unicodeScalars) {
      return suffix.unicodeScalars.count
    }
    return nil
  }

  /// ` ?x+`
  private static func run(
    _ text: ArraySlice<Unicode.Scalar>, _ isMember: (Unicode.Scalar) -> Bool
  ) -> Int? {
    let space = text.first == " " ? 1 : 0
    let count = text.dropFirst(space).prefix(while: isMember).count
    return count == 0 ? nil : space + count
  }

  /// `\s+(?!\S)|\s+`
  private static func space(_ text: ArraySlice<Unicode.Scalar>) -> Int {
    let count = text.prefix { $0.properties.isWhitespace }.count
    return count == text.count || count == 1 ? count : count - 1
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  private static func isNumber(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  private static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
    !isLetter(scalar) && !isNumber(scalar) && !scalar.properties.isWhitespace
  }
}
