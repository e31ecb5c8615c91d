/// What a pre-tokenizer or a normalizer looks for.
enum TextPattern: Sendable {
  case literal([UInt8])
  case expression(Expression)
  /// One scalar of category N.
  case number

  /// Calls `body` for the matches in UTF-8 text, first to last.
  func matches(in text: UnsafeBufferPointer<UInt8>, body: (Range<Int>) -> Void) {
    switch self {
    case .expression(let expression): expression.matches(in: text, body: body)
    case .literal(let literal):
      var position = 0
      while position + literal.count <= text.count {
        if text[position] == literal[0]
          && text[position..<position + literal.count].elementsEqual(literal)
        {
          body(position..<position + literal.count)
          position += literal.count
        } else {
          position += 1
        }
      }
    case .number:
      guard let base = text.baseAddress else { return }
      var position = 0
      while position < text.count {
        let (scalar, length) = UTF8Text.scalar(base, at: position)
        if ScalarClasses.shared.flags(scalar) & ScalarClasses.number != 0 {
          body(position..<position + length)
        }
        position += length
      }
    }
  }
}

/// Hugging Face's `Split`: what happens to the matches of a pattern.
struct PieceSplit: Sendable {
  enum Behavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  let pattern: TextPattern
  let behavior: Behavior
  /// What is between the matches counts as matched instead.
  let inverts: Bool

  init(_ pattern: TextPattern, _ behavior: Behavior, inverts: Bool = false) {
    self.pattern = pattern
    self.behavior = behavior
    self.inverts = inverts
  }

  /// The parts of a piece: where each ends and whether it is one match. None is empty.
  func parts(of piece: UnsafeBufferPointer<UInt8>) -> [(end: Int, isMatch: Bool)] {
    var parts = [(end: Int, isMatch: Bool)]()  // empty ones too, since they part others
    func add(_ end: Int, isMatch: Bool) {
      let wasMatch = parts.last?.isMatch ?? false
      let joins =
        switch behavior {
        case .removed, .isolated: false
        case .mergedWithPrevious: isMatch && !wasMatch
        case .mergedWithNext: !isMatch && wasMatch
        case .contiguous: isMatch == wasMatch
        }
      if joins && !parts.isEmpty { parts.removeLast() }
      parts.append((end, isMatch))
    }
    var last = 0
    pattern.matches(in: piece) { match in
      if match.lowerBound > last { add(match.lowerBound, isMatch: inverts) }
      add(match.upperBound, isMatch: !inverts)
      last = match.upperBound
    }
    if last < piece.count { add(piece.count, isMatch: inverts) }
    last = 0
    return parts.filter { part in
      defer { last = part.end }
      return part.end > last
    }
  }
}
