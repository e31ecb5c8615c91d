/// Where a text of characters can be cut before merging: no token reaches across.
struct WordBoundaries: Sendable {
  private let mark: (UInt8, UInt8, UInt8)
  /// By byte: ASCII characters that no token has beside another.
  private let isAlone: [Bool]

  /// nil where a token reaches from another character to a mark, or the mark is no token of its own.
  /// - Parameter mark: what stands for a space, U+2581; nil for any other.
  init?(_ list: TokenList, mark: [UInt8], bytes: [Int32]) {
    guard mark == Array("\u{2581}".utf8), list.id(mark) >= 0 else { return nil }
    self.mark = (mark[0], mark[1], mark[2])
    // Unknown characters next to each other may become one token, so they are not alone.
    let fallsBack = bytes.allSatisfy { $0 >= 0 }
    var isAlone = (0..<256).map { byte in
      byte < 0x80 && (fallsBack || list.id([UInt8(byte)]) >= 0)
    }
    for token in list.tokens {
      let text = Array(token.utf8)
      var isInWord = false
      var position = 0
      while position < text.count {
        if text[position...].starts(with: mark) {
          if isInWord { return nil }
          position += 3
        } else {
          isInWord = true
          position += 1
        }
      }
      if text.count > 1 { for byte in text { isAlone[Int(byte)] = false } }
    }
    self.isAlone = isAlone
  }

  /// The end of the word that starts at `start < end`: marks and what stands behind them.
  @inline(__always)
  func endOfWord(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    var position = start
    while isMark(base, position, end) { position += 3 }
    if position == start && isAlone[Int(base[start])] { return start + 1 }
    while position < end && !isAlone[Int(base[position])] && !isMark(base, position, end) {
      position += 1
    }
    return position
  }

  @inline(__always)
  private func isMark(_ base: UnsafePointer<UInt8>, _ position: Int, _ end: Int) -> Bool {
    position + 3 <= end && base[position] == mark.0 && base[position + 1] == mark.1
      && base[position + 2] == mark.2
  }
}
