/// A token that is found in text as it is spelt, before anything else is done with the text.
struct AddedToken: Sendable {
  let text: [UInt8]
  let id: Int32
  /// Found only where special tokens are parsed.
  var isSpecial = true
  /// Takes the white space before it, and behind it.
  var stripsLeft = false
  var stripsRight = false
  /// Not found next to a letter, digit or underscore.
  var isSingleWord = false

  /// Whether it has the mark behind its first character.
  func holds(_ mark: [UInt8]) -> Bool {
    let pattern = TextPattern.literal(mark)
    var isFound = false
    text.dropFirst().withUnsafeBufferPointer { pattern.matches(in: $0) { _ in isFound = true } }
    return isFound
  }

  /// The token as it stands in normalised text.
  func normalized(by normalizer: TextNormalizer) -> AddedToken {
    AddedToken(
      text: text.withUnsafeBufferPointer(normalizer.normalize), id: id, isSpecial: isSpecial,
      stripsLeft: stripsLeft, stripsRight: stripsRight, isSingleWord: isSingleWord)
  }
}

/// Finds added tokens in text: the leftmost, of those that start there the longest.
struct SpecialTokenMatcher: Sendable {
  private let startingWith: [[AddedToken]]  // by first byte, longest first
  private let mayStart: [Bool]  // by byte

  init(_ tokens: [AddedToken]) {
    var lists = [[AddedToken]](repeating: [], count: 256)
    for token in tokens where !token.text.isEmpty { lists[Int(token.text[0])].append(token) }
    startingWith = lists.map { list in
      list.sorted { ($1.text.count, $0.id) < ($0.text.count, $1.id) }
    }
    mayStart = lists.map { !$0.isEmpty }
  }

  init(_ tokens: [(text: String, id: Int32)]) {
    self.init(tokens.map { AddedToken(text: Array($0.text.utf8), id: $0.id) })
  }

  var isEmpty: Bool { !mayStart.contains(true) }

  /// True where cutting text between a letter and white space could cut a token, or part it from
  /// the white space that it takes.
  var mayHoldWhiteSpace: Bool {
    startingWith.joined().contains {
      $0.stripsLeft || $0.stripsRight || $0.text.contains { $0 <= 0x20 }
    }
  }

  /// Calls `text` for the stretches between tokens (never empty), with where each begins, and
  /// `token` for each of these, in order.
  /// - Parameter asText: leaves special tokens in the text. One hides what it overlaps all the same.
  func split(
    _ bytes: UnsafeBufferPointer<UInt8>, asText: Bool = false,
    text: (UnsafeBufferPointer<UInt8>, Int) -> Void, token: (Int32) -> Void
  ) {
    var start = 0
    var position = 0
    while position < bytes.count {
      guard mayStart[Int(bytes[position])], let found = match(bytes, at: position) else {
        position += 1
        continue
      }
      let end = position + found.text.count
      defer { position = end }
      if found.isSpecial && asText { continue }
      if found.isSingleWord && Self.touchesWord(bytes, position..<end) { continue }
      let left = found.stripsLeft ? Self.spaceStart(bytes, before: position) : position
      if left > start { text(UnsafeBufferPointer(rebasing: bytes[start..<left]), start) }
      token(found.id)
      start = found.stripsRight ? Self.spaceEnd(bytes, behind: end) : end
    }
    if start < bytes.count { text(UnsafeBufferPointer(rebasing: bytes[start...]), start) }
  }

  @inline(__always)
  private func match(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> AddedToken? {
    startingWith[Int(bytes[position])].first { candidate in
      candidate.text.count <= bytes.count - position
        && candidate.text.elementsEqual(bytes[position..<position + candidate.text.count])
    }
  }

  // MARK: - What stands next to a token

  private static func scalar(
    _ bytes: UnsafeBufferPointer<UInt8>, before position: Int
  ) -> (value: UInt32, length: Int)? {
    guard position > 0 else { return nil }
    var start = position - 1
    while start > 0 && bytes[start] & 0xc0 == 0x80 { start -= 1 }
    return UTF8Text.scalar(bytes.baseAddress!, at: start)
  }

  private static func scalar(
    _ bytes: UnsafeBufferPointer<UInt8>, behind position: Int
  ) -> (value: UInt32, length: Int)? {
    position < bytes.count ? UTF8Text.scalar(bytes.baseAddress!, at: position) : nil
  }

  private static func isSpace(_ scalar: UInt32) -> Bool {
    ScalarClasses.shared.flags(scalar) & ScalarClasses.space != 0
  }

  private static func spaceStart(
    _ bytes: UnsafeBufferPointer<UInt8>, before position: Int
  ) -> Int {
    var start = position
    while let (value, length) = scalar(bytes, before: start), isSpace(value) { start -= length }
    return start
  }

  private static func spaceEnd(
    _ bytes: UnsafeBufferPointer<UInt8>, behind position: Int
  ) -> Int {
    var end = position
    while let (value, length) = scalar(bytes, behind: end), isSpace(value) { end += length }
    return end
  }

  private static func touchesWord(
    _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>
  ) -> Bool {
    [scalar(bytes, before: range.lowerBound), scalar(bytes, behind: range.upperBound)]
      .contains { $0.map { isWord($0.value) } ?? false }
  }

  /// Unicode's `\w`: alphabetic, mark, decimal digit, connector punctuation, join control.
  private static func isWord(_ scalar: UInt32) -> Bool {
    guard let properties = Unicode.Scalar(scalar)?.properties else { return false }
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }
}
