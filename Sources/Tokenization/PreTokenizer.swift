/// The pre-tokenizers of well-known byte-level models: cut text into the pieces that byte-pair
/// merges stay in. Scanners equal to the regular expressions `PreTokenizer.Rule` quotes.
struct PreTokenizer: Sendable {
  /// The rules, by llama.cpp's names.
  enum Rule: String, Sendable, CaseIterable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2 = "gpt-2"
    /// The same, where every scalar of category N is first cut out as a piece of its own and the
    /// expression sees only the text between two of them.
    case smollm
    /// `modernExpression(digits: "\p{N}{1,3}")`
    case llama3 = "llama-bpe"
    /// `modernExpression(digits: "\p{N}")`
    case qwen2

    /// The expression that a tokenizer.json spells the rule with, where one alone makes it.
    var expression: String? {
      switch self {
      case .gpt2: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
      case .smollm: nil
      case .llama3: Self.modernExpression(digits: #"\p{N}{1,3}"#)
      case .qwen2: Self.modernExpression(digits: #"\p{N}"#)
      }
    }

    /// The published models of this rule take a piece that is a token without merging.
    var takesWholePieces: Bool { self == .llama3 }

    /// What the published models of this rule do to the text before it.
    var normalizer: TextNormalizer? {
      self == .qwen2 ? TextNormalizer(steps: [.form(.composed)]) : nil
    }

    private static func modernExpression(digits: String) -> String {
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
        + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }
  }

  private let individualDigits: Bool
  private let isModern: Bool
  private let longestNumber: Int  // in scalars, of the modern rules
  private let classes = ScalarClasses.shared

  init(_ rule: Rule) {
    individualDigits = rule == .smollm
    isModern = rule == .llama3 || rule == .qwen2
    longestNumber = rule == .llama3 ? 3 : 1
  }

  /// The end of the piece that starts at `start < end`. The text must be UTF-8.
  @inline(__always)
  func endOfPiece(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    isModern
      ? endOfModernPiece(base, from: start, to: end) : endOfPlainPiece(base, from: start, to: end)
  }

  /// A piece of `gpt2` or `smollm`.
  @inline(__always)
  private func endOfPlainPiece(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int {
    let byte = base[start]
    let (kind, length) = self.kind(base, at: start)
    if kind == ScalarClasses.space {
      // A single U+0020 belongs to the word, number or symbols behind it.
      if byte == 0x20 && start + 1 < end {
        let (next, nextLength) = self.kind(base, at: start + 1)
        if next != ScalarClasses.space && !(individualDigits && next == ScalarClasses.number) {
          return endOfRun(base, of: next, from: start + 1 + nextLength, to: end)
        }
      }
      return endOfSpace(base, from: start, first: length, to: end)
    }
    if kind == ScalarClasses.number && individualDigits { return start + length }
    if byte == 0x27, let contraction = endOfContraction(base, from: start, to: end) {
      return contraction
    }
    return endOfRun(base, of: kind, from: start + length, to: end)
  }

  /// A piece of `llama3` or `qwen2`.
  @inline(__always)
  private func endOfModernPiece(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int {
    let byte = base[start]
    let (kind, length) = self.kind(base, at: start)
    let second = start + length
    if kind == ScalarClasses.letter { return endOfRun(base, of: kind, from: second, to: end) }
    if kind == ScalarClasses.number {
      return endOfNumber(base, from: second, to: end)
    }
    if byte == 0x27, let contraction = endOfAnyCaseContraction(base, from: start, to: end) {
      return contraction
    }
    // Any one scalar before letters belongs to them, but for a line's end.
    if second < end && byte != 0x0a && byte != 0x0d {
      let (next, nextLength) = self.kind(base, at: second)
      if next == ScalarClasses.letter {
        return endOfRun(base, of: next, from: second + nextLength, to: end)
      }
      if byte == 0x20 && next == 0 {
        let symbols = endOfRun(base, of: next, from: second + nextLength, to: end)
        return endOfLineBreaks(base, from: symbols, to: end)
      }
    }
    if kind == 0 {
      return endOfLineBreaks(
        base, from: endOfRun(base, of: kind, from: second, to: end), to: end)
    }
    return endOfSpaceOrLines(base, from: start, first: length, to: end)
  }

  @inline(__always)
  private func kind(_ base: UnsafePointer<UInt8>, at position: Int) -> (UInt8, Int) {
    let byte = base[position]
    if byte < 0x80 { return (classes.ascii[Int(byte)] & ScalarClasses.kind, 1) }
    let (scalar, length) = UTF8Text.scalar(base, at: position)
    return (classes.flags(scalar) & ScalarClasses.kind, length)
  }

  @inline(__always)
  private func endOfRun(
    _ base: UnsafePointer<UInt8>, of kind: UInt8, from start: Int, to end: Int
  ) -> Int {
    var position = start
    while position < end {
      let (next, length) = self.kind(base, at: position)
      if next != kind { break }
      position += length
    }
    return position
  }

  /// `\s+(?!\S)|\s+`: a run of white space leaves its last scalar to what follows, unless
  /// nothing follows or the run is that scalar alone.
  private func endOfSpace(
    _ base: UnsafePointer<UInt8>, from start: Int, first: Int, to end: Int
  ) -> Int {
    var last = start  // where the run's last scalar starts
    var position = start + first
    while position < end {
      let (next, length) = kind(base, at: position)
      if next != ScalarClasses.space {
        // A digit that is cut out ends the text that the expression sees.
        let sees = !(individualDigits && next == ScalarClasses.number)
        return sees && last > start ? last : position
      }
      last = position
      position += length
    }
    return position
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`: as above, but a run with a line's end in it ends behind its last.
  private func endOfSpaceOrLines(
    _ base: UnsafePointer<UInt8>, from start: Int, first: Int, to end: Int
  ) -> Int {
    let whole = endOfRun(base, of: ScalarClasses.space, from: start + first, to: end)
    var position = whole
    while position > start {
      position -= 1
      if base[position] == 0x0a || base[position] == 0x0d { return position + 1 }
    }
    return endOfSpace(base, from: start, first: first, to: end)
  }

  private func endOfLineBreaks(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int {
    var position = start
    while position < end && (base[position] == 0x0a || base[position] == 0x0d) { position += 1 }
    return position
  }

  /// The end of a number whose first scalar ends at `start`.
  private func endOfNumber(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    var position = start
    var scalars = 1
    while scalars < longestNumber && position < end {
      let (next, length) = kind(base, at: position)
      if next != ScalarClasses.number { break }
      position += length
      scalars += 1
    }
    return position
  }

  private func endOfContraction(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int? {
    guard start + 1 < end else { return nil }
    return endOfContraction(
      base[start + 1], start + 2 < end ? base[start + 2] : 0, from: start)
  }

  /// In either case, and with U+017F for an s: ſ is s without regard to case.
  private func endOfAnyCaseContraction(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int? {
    guard start + 1 < end else { return nil }
    let third = start + 2 < end ? base[start + 2] : 0
    if base[start + 1] == 0xc5 && third == 0xbf { return start + 3 }
    // Setting the bit makes a letter of no byte that is none: @ and [ become ` and {.
    return endOfContraction(base[start + 1] | 0x20, third | 0x20, from: start)
  }

  @inline(__always)
  private func endOfContraction(_ first: UInt8, _ second: UInt8, from start: Int) -> Int? {
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      second == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      second == UInt8(ascii: "l") ? start + 3 : nil
    default:
      nil
    }
  }
}
