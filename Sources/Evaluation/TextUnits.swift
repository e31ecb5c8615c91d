/// Counts the words and bytes of a text that arrives in pieces.
///
/// A word is what Python's `len(text.split())` counts: a maximal run of characters that are not
/// white space. A piece may end inside a word or inside a UTF-8 sequence, so a chunk's text can be
/// fed as it was decoded. (lm-evaluation-harness counts `re.split(r"\s+", text)`, one more for
/// white space at either end.)
public struct TextUnits: Equatable, Sendable {
  public private(set) var bytes = 0
  private var finishedWords = 0
  private var isInsideWord = false
  /// The first bytes of what may become a white-space character: at most two.
  private var pending: [UInt8] = []

  public init() {}

  /// Words so far; what looked like the start of a white-space character counts as text.
  public var words: Int { finishedWords + (isInsideWord || !pending.isEmpty ? 1 : 0) }

  public mutating func add(_ text: some Sequence<UInt8>) {
    for byte in text {
      bytes += 1
      consume(byte)
    }
  }

  /// Ends a word here: what comes next is from elsewhere.
  public mutating func endText() {
    if !pending.isEmpty { isInsideWord = true }
    pending.removeAll(keepingCapacity: true)
    endWord()
  }

  private mutating func consume(_ byte: UInt8) {
    if pending.isEmpty {
      switch byte {
      case 0x09...0x0D, 0x1C...0x20: endWord()
      case 0xC2, 0xE1, 0xE2, 0xE3: pending.append(byte)
      default: isInsideWord = true
      }
      return
    }
    pending.append(byte)
    switch Self.classify(pending) {
    case .space:
      pending.removeAll(keepingCapacity: true)
      endWord()
    case .incomplete: break
    case .text:
      // Not white space: the earlier bytes are text, the last one may start something itself.
      pending.removeAll(keepingCapacity: true)
      isInsideWord = true
      consume(byte)
    }
  }

  private mutating func endWord() {
    if isInsideWord { finishedWords += 1 }
    isInsideWord = false
  }

  private enum Kind { case space, text, incomplete }

  /// The white space of `str.isspace()` beyond ASCII, as UTF-8:
  /// U+0085, U+00A0, U+1680, U+2000–200A, U+2028, U+2029, U+202F, U+205F, U+3000.
  private static func classify(_ bytes: [UInt8]) -> Kind {
    if bytes.count == 2 {
      switch (bytes[0], bytes[1]) {
      case (0xC2, 0x85), (0xC2, 0xA0): return .space
      case (0xE1, 0x9A), (0xE2, 0x80), (0xE2, 0x81), (0xE3, 0x80): return .incomplete
      default: return .text
      }
    }
    switch (bytes[0], bytes[1], bytes[2]) {
    case (0xE1, 0x9A, 0x80), (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80): return .space
    case (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8...0xA9), (0xE2, 0x80, 0xAF): return .space
    default: return .text
    }
  }
}
