import Glibc

/// The merges of a byte-pair vocabulary and what they begin with.
struct BytePairModel: Sendable {
  var alphabet: SpellingAlphabet
  var merges: PairTable
  /// Every rank of `merges` is below it.
  var rankCount: Int
  /// Pieces that are tokens without being merged; nil where merges make all tokens.
  var wholePieces: ByteStringTable?
  /// Where a piece can be cut; nil for nowhere.
  var words: WordBoundaries?
}

/// Encodes text with one thread's scratch memory and piece cache; `BytePairTokenizer` keeps a few.
///
/// The cache never changes a result: the ids of a piece depend on the piece alone.
/// Sendable because the tokenizer hands an encoder to one thread at a time.
final class BytePairEncoder: @unchecked Sendable {
  /// Pieces of more symbols than this are merged through a queue instead of by scanning.
  private static let shortPiece = 48
  /// Cached pieces have at most 15 bytes and 4 ids; that is nearly all of ordinary text.
  private static let cacheBits = 16
  private struct CacheEntry {
    var low: UInt64
    var high: UInt64  // the last byte is the piece's length; 0 is an empty entry
    var ids: SIMD4<Int32>  // -1 behind the last
  }

  private let model: BytePairModel
  private let steps: [PreTokenizationStep]
  private let cache: UnsafeMutablePointer<CacheEntry>
  private let symbols: UnsafeMutablePointer<Int32>
  private let values: UnsafeMutablePointer<UInt64>
  private var queue: MergeQueue

  init(_ model: BytePairModel, steps: [PreTokenizationStep]) {
    self.model = model
    self.steps = steps
    queue = MergeQueue(ranks: model.rankCount)
    // Zeros are empty entries, and pages of zeros take no time.
    let size = MemoryLayout<CacheEntry>.stride
    guard let zeros = calloc(1 << Self.cacheBits, size) else {
      preconditionFailure("no \(size << Self.cacheBits) bytes of memory")
    }
    cache = zeros.bindMemory(to: CacheEntry.self, capacity: 1 << Self.cacheBits)
    symbols = .allocate(capacity: Self.shortPiece)
    values = .allocate(capacity: Self.shortPiece)
  }

  deinit {
    free(cache)
    symbols.deallocate()
    values.deallocate()
  }

  /// Appends the ids of normalised UTF-8 text without added tokens.
  /// - Parameter beginsText: the text is not the continuation of another.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, beginsText: Bool, into ids: inout [Int32]
  ) {
    if case .scan(let preTokenizer)? = steps.first, steps.count == 1 {
      return encodePieces(of: text, into: &ids) {
        preTokenizer.endOfPiece($0, from: $1, to: $2)
      }
    }
    if steps.isEmpty { return encodePiece(text, into: &ids) }
    var pieces = PieceList(text, beginsText: beginsText)
    for step in steps { pieces.apply(step) }
    pieces.bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      for end in pieces.ends {
        encodePiece(UnsafeBufferPointer(rebasing: bytes[start..<end]), into: &ids)
        start = end
      }
    }
  }

  private func encodePiece(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if let words = model.words {
      encodePieces(of: piece, into: &ids) { words.endOfWord($0, from: $1, to: $2) }
    } else {
      encodePieces(of: piece, into: &ids) { _, _, end in end }
    }
  }

  @inline(__always)
  private func encodePieces(
    of text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32],
    endOfPiece: (UnsafePointer<UInt8>, Int, Int) -> Int
  ) {
    guard let base = text.baseAddress else { return }
    var start = 0
    while start < text.count {
      let end = endOfPiece(base, start, text.count)
      if end - start <= 15 {
        appendCached(base + start, count: end - start, readable: text.count - start, to: &ids)
      } else {
        appendMerged(base + start, count: end - start, to: &ids)
      }
      start = end
    }
  }

  @inline(__always)
  private func appendCached(
    _ piece: UnsafePointer<UInt8>, count: Int, readable: Int, to ids: inout [Int32]
  ) {
    let (low, high) = Self.key(piece, count: count, readable: readable)
    let hash = (low ^ (high << 23 | high >> 41)) &* 0x9e37_79b9_7f4a_7c15
    let mixed = (hash ^ (hash >> 29)) &* 0xbf58_476d_1ce4_e5b9
    let slot = Int(truncatingIfNeeded: mixed >> UInt64(64 - Self.cacheBits))
    if cache[slot].low == low && cache[slot].high == high {
      let known = cache[slot].ids
      ids.append(known[0])
      if known[1] < 0 { return }
      ids.append(known[1])
      if known[2] < 0 { return }
      ids.append(known[2])
      if known[3] >= 0 { ids.append(known[3]) }
      return
    }
    let first = ids.count
    appendMerged(piece, count: count, to: &ids)
    guard (1...4).contains(ids.count - first) else { return }
    var known = SIMD4<Int32>(repeating: -1)
    for index in first..<ids.count { known[index - first] = ids[index] }
    cache[slot] = CacheEntry(low: low, high: high, ids: known)
  }

  /// The piece's bytes, zeros behind them, and its length as the sixteenth byte.
  @inline(__always)
  private static func key(
    _ piece: UnsafePointer<UInt8>, count: Int, readable: Int
  ) -> (UInt64, UInt64) {
    var low: UInt64 = 0
    var high: UInt64 = 0
    if readable >= 16 {
      let raw = UnsafeRawPointer(piece)
      low = raw.loadUnaligned(as: UInt64.self)
      high = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      if count < 8 {
        low &= (1 << UInt64(8 * count)) &- 1
        high = 0
      } else {
        high &= (1 << UInt64(8 * (count - 8))) &- 1
      }
    } else {
      for index in 0..<min(count, 8) { low |= UInt64(piece[index]) << UInt64(8 * index) }
      if count > 8 {
        for index in 8..<count { high |= UInt64(piece[index]) << UInt64(8 * (index - 8)) }
      }
    }
    return (low, high | UInt64(count) << 56)
  }

  // MARK: - Merging

  private func appendMerged(
    _ piece: UnsafePointer<UInt8>, count: Int, to ids: inout [Int32]
  ) {
    if let whole = model.wholePieces {
      let id = whole.id(UnsafeBufferPointer(start: piece, count: count))
      if id >= 0 { return ids.append(id) }
    }
    if count > Self.shortPiece {
      mergeLong(piece, count: count, into: &ids)
      return
    }
    let length = model.alphabet.spell(piece, count: count, into: symbols)
    mergeShort(length)
    for index in 0..<mergedLength { ids.append(symbols[index]) }
  }

  private var mergedLength = 0

  /// Merges `symbols[..<length]` in place: the lowest rank first, of equal ones the leftmost.
  /// Quadratic, and the fastest way for short pieces.
  private func mergeShort(_ symbolCount: Int) {
    var length = symbolCount
    // values[i] is the merge of symbols i and i + 1.
    for index in 0..<max(length - 1, 0) {
      values[index] = model.merges.merge(symbols[index], symbols[index + 1])
    }
    while length > 1 {
      var best = PairTable.none
      var at = 0
      // By rank alone: two merges of one rank are taken from left to right.
      for index in 0..<length - 1 where values[index] >> 32 < best >> 32 {
        best = values[index]
        at = index
      }
      if best == PairTable.none { break }
      symbols[at] = Int32(truncatingIfNeeded: best)
      length -= 1
      for index in at + 1..<max(length, at + 1) {
        symbols[index] = symbols[index + 1]
        values[index - 1] = values[index]
      }
      if at > 0 { values[at - 1] = model.merges.merge(symbols[at - 1], symbols[at]) }
      if at < length - 1 { values[at] = model.merges.merge(symbols[at], symbols[at + 1]) }
    }
    mergedLength = length
  }

  /// The same for a piece of any length, in time proportional to it: the symbols are a doubly
  /// linked list and the merges wait in a queue. A waiting merge is stale when its left symbol
  /// was merged away or its pair is another one by now.
  private func mergeLong(
    _ piece: UnsafePointer<UInt8>, count: Int, into ids: inout [Int32]
  ) {
    precondition(count < Int32.max, "a piece of 2 GiB")
    let spelling = UnsafeMutablePointer<Int32>.allocate(capacity: count)
    let length = model.alphabet.spell(piece, count: count, into: spelling)
    let list = UnsafeMutablePointer<Symbol>.allocate(capacity: length + 1)
    defer { list.deallocate() }
    for index in 0..<length {
      list[index] = Symbol(
        id: spelling[index], previous: Int32(index - 1), next: Int32(index + 1))
    }
    spelling.deallocate()
    let end = Int32(length)
    queue.reset()
    for position in 0..<max(length - 1, 0) {
      let value = model.merges.merge(list[position].id, list[position + 1].id)
      if value != PairTable.none { queue.add(rank: Int(value >> 32), position: Int32(position)) }
    }
    while let (rank, position) = queue.next() {
      let at = Int(position)
      let right = Int(list[at].next)
      guard list[at].id >= 0, right < length else { continue }
      let value = model.merges.merge(list[at].id, list[right].id)
      guard value != PairTable.none, Int(value >> 32) == rank else { continue }
      list[at].id = Int32(truncatingIfNeeded: value)
      list[at].next = list[right].next
      list[right].id = -1
      if list[at].next < end {
        list[Int(list[at].next)].previous = position
        offer(list, left: position, right: list[at].next)
      }
      if list[at].previous >= 0 {
        offer(list, left: list[at].previous, right: position)
      }
    }
    var position: Int32 = 0
    while position < end {
      ids.append(list[Int(position)].id)
      position = list[Int(position)].next
    }
  }

  private struct Symbol {
    var id: Int32
    var previous: Int32
    var next: Int32
  }

  @inline(__always)
  private func offer(
    _ list: UnsafeMutablePointer<Symbol>, left: Int32, right: Int32
  ) {
    let value = model.merges.merge(list[Int(left)].id, list[Int(right)].id)
    if value != PairTable.none { queue.add(rank: Int(value >> 32), position: left) }
  }
}
