/// A text on its way through the steps of a pre-tokenizer: its bytes and where each piece ends.
struct PieceList {
  private(set) var bytes: [UInt8]
  private(set) var ends: [Int]
  /// True when the first piece begins the whole text.
  private let beginsText: Bool

  init(_ text: UnsafeBufferPointer<UInt8>, beginsText: Bool) {
    bytes = Array(text)
    ends = text.isEmpty ? [] : [text.count]
    self.beginsText = beginsText
  }

  mutating func apply(_ step: PreTokenizationStep) {
    switch step {
    case .scan(let preTokenizer):
      cut { base, start, end, keep in
        var position = start
        while position < end {
          position = preTokenizer.endOfPiece(base, from: position, to: end)
          keep(position)
        }
      }
    case .split(let split): apply(split)
    case .prefixSpace: rewrite { piece, _ in piece.first == 0x20 ? Array(piece) : [0x20] + piece }
    case .spaceMark(let mark, let scheme, let splits):
      rewrite { piece, isFirst in mark.marked(piece, scheme, isFirst: isFirst) }
      if splits { apply(PieceSplit(.literal(mark.bytes), .mergedWithNext)) }
    }
  }

  /// Puts each piece through `body`, which also hears whether it begins the text.
  private mutating func rewrite(_ body: (UnsafeBufferPointer<UInt8>, Bool) -> [UInt8]) {
    var result = [UInt8]()
    result.reserveCapacity(bytes.count + bytes.count / 2)
    bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      for index in ends.indices {
        let piece = UnsafeBufferPointer(rebasing: bytes[start..<ends[index]])
        result += body(piece, beginsText && index == 0)
        start = ends[index]
        ends[index] = result.count
      }
    }
    bytes = result
  }

  /// Cuts each piece at the positions that `body` keeps, ascending; the last is the piece's end.
  private mutating func cut(
    _ body: (UnsafePointer<UInt8>, Int, Int, (Int) -> Void) -> Void
  ) {
    var cuts = [Int]()
    cuts.reserveCapacity(bytes.count / 4)
    bytes.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      var start = 0
      for end in ends {
        body(base, start, end) { cuts.append($0) }
        start = end
      }
    }
    ends = cuts
  }

  private mutating func apply(_ split: PieceSplit) {
    guard split.behavior != .removed else { return remove(split) }
    cut { base, start, end, keep in
      let piece = UnsafeBufferPointer(start: base + start, count: end - start)
      for part in split.parts(of: piece) { keep(start + part.end) }
    }
  }

  private mutating func remove(_ split: PieceSplit) {
    var result = [UInt8]()
    var newEnds = [Int]()
    bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      for end in ends {
        let piece = UnsafeBufferPointer(rebasing: bytes[start..<end])
        var from = 0
        for part in split.parts(of: piece) {
          if !part.isMatch {
            result += piece[from..<part.end]
            newEnds.append(result.count)
          }
          from = part.end
        }
        start = end
      }
    }
    bytes = result
    ends = newEnds
  }
}

/// One step of a pre-tokenizer.
enum PreTokenizationStep: Sendable {
  case scan(PreTokenizer)
  case split(PieceSplit)
  /// A space before each piece that does not begin with one.
  case prefixSpace
  /// Spaces become the mark, and it is put before a piece as the scheme says; `splits`: then each
  /// mark begins a piece.
  case spaceMark(SpaceMark, SpaceMark.Scheme, splits: Bool)
}

/// The character that stands for a space: U+2581 in all files known.
struct SpaceMark: Sendable {
  enum Scheme: String, Sendable {
    case always, first, never
  }

  let bytes: [UInt8]

  fileprivate func marked(
    _ piece: UnsafeBufferPointer<UInt8>, _ scheme: Scheme, isFirst: Bool
  ) -> [UInt8] {
    let isBegun = piece.first == 0x20 || piece.starts(with: bytes)
    let isMarked = !isBegun && (scheme == .always || scheme == .first && isFirst)
    return piece.replacing(0x20, with: bytes, prefix: isMarked ? bytes : [])
  }
}
