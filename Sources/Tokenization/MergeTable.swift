extension TokenList {
  /// The merges as a table, lowest rank first.
  /// - Parameter lastWins: of two equal pairs the second counts.
  func mergeTable(of merges: [TokenMerge], lastWins: Bool = false) throws -> PairTable {
    guard merges.count <= 1 << 24 else { throw TokenizerError("\(merges.count) merges") }
    let table = PairTable(minimumCapacity: merges.count)
    var joined = [UInt8]()
    let ranks = merges.indices
    for rank in lastWins ? AnySequence(ranks.reversed()) : AnySequence(ranks) {
      let merge = merges[rank]
      joined.removeAll(keepingCapacity: true)
      joined += merge.left.utf8
      joined += merge.right.utf8
      let middle = merge.left.utf8.count
      let (left, right, merged) = joined.withUnsafeBufferPointer { bytes in
        (
          ids.id(UnsafeBufferPointer(rebasing: bytes[..<middle])),
          ids.id(UnsafeBufferPointer(rebasing: bytes[middle...])), ids.id(bytes)
        )
      }
      guard left >= 0, right >= 0, merged >= 0 else {
        throw TokenizerError("merge \(rank) (\(merge)) has no tokens in the vocabulary")
      }
      table.insert(left: left, right: right, rank: rank, merged: merged)
    }
    return table
  }

  /// SentencePiece's merges: any two tokens that make a third, the highest score first.
  /// - Returns: the table, and the number of ranks: tokens of one score share one.
  func mergeTable(scores: [Double]) throws -> (PairTable, rankCount: Int) {
    let longest = 4096
    let ordered = Set(scores).sorted(by: >)
    let rankOfScore = Dictionary(
      uniqueKeysWithValues: ordered.enumerated().map { ($0.element, $0.offset) })
    var pairs = [(left: Int32, right: Int32, rank: Int, merged: Int32)]()
    for (id, token) in tokens.enumerated() where kinds[id].isMade {
      var token = token
      guard token.utf8.count <= longest else {
        throw TokenizerError("token \(id) has \(token.utf8.count) bytes, at most \(longest)")
      }
      token.withUTF8 { bytes in
        guard ids.id(bytes) == Int32(id) else { return }  // a repeated token
        eachSplit(bytes) { pairs.append(($0, $1, rankOfScore[scores[id]]!, Int32(id))) }
      }
    }
    let table = PairTable(minimumCapacity: pairs.count)
    for pair in pairs {
      table.insert(left: pair.left, right: pair.right, rank: pair.rank, merged: pair.merged)
    }
    return (table, ordered.count)
  }

  /// Calls `body` with the two tokens of every way to write a token as two.
  private func eachSplit(
    _ token: UnsafeBufferPointer<UInt8>, body: (Int32, Int32) -> Void
  ) {
    guard let base = token.baseAddress else { return }
    var hash = ByteStringTable.emptyHash
    for middle in 1..<max(token.count, 1) {
      hash = ByteStringTable.hash(hash, base[middle - 1])
      let left = ids.id(base, count: middle, hash: hash)
      guard left >= 0 else { continue }
      let right = ids.id(UnsafeBufferPointer(rebasing: token[middle...]))
      if right >= 0 { body(left, right) }
    }
  }
}

extension TokenList.Kind {
  /// Made by merges in SentencePiece's way: control, unknown and byte tokens are not.
  var isMade: Bool { self == .normal || self == .userDefined }
}

/// Two tokens that become one.
struct TokenMerge: CustomStringConvertible {
  let left: String
  let right: String

  init(left: String, right: String) {
    self.left = left
    self.right = right
  }

  /// `left right`; without a space there is no right side.
  init(_ text: String) {
    let space = text.utf8.firstIndex(of: 0x20)
    left = String(text[..<(space ?? text.endIndex)])
    right = space.map { String(text[text.utf8.index(after: $0)...]) } ?? ""
  }

  var description: String { right.isEmpty ? left : "\(left) \(right)" }
}
