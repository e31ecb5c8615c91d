/// The pre-tokenizer of the GPT-2 family: cuts text into the pieces that byte-pair merges stay in.
///
/// A scanner equal to the regular expression
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// where, with `individualDigits`, every scalar of category N is first cut out as a piece of its
/// own and the expression sees only the text between two of them (Hugging Face: `Digits` before
/// `ByteLevel`; llama.cpp: the pre-tokenizer `smollm`).
struct PreTokenizer: Sendable {
  let individualDigits: Bool
  private let classes = ScalarClasses.shared

  init(individualDigits: Bool) {
    self.individualDigits = individualDigits
  }

  /// The end of the piece that starts at `start < end`. The text must be UTF-8.
  @inline(__always)
  func endOfPiece(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
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

  private func endOfContraction(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int
  ) -> Int? {
    guard start + 1 < end else { return nil }
    let first = base[start + 1]
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
      guard start + 2 < end else { return nil }
      let second = first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")
      return base[start + 2] == second ? start + 3 : nil
    default:
      return nil
    }
  }
}
