/// The merges that a long piece still offers, taken by rank and then by position.
///
/// One list of positions a rank, and a small heap of the ranks that have any: a piece of n bytes
/// has at most n positions a pass but few ranks, so a merge costs a few nanoseconds whatever n
/// is, where a heap of positions would cost log n cache misses.
struct MergeQueue {
  private struct Bucket {
    var rank: Int
    var positions: [Int32] = []
    var taken = 0
    var isSorted = true
  }

  private var buckets: [Bucket] = []
  private var bucketOfRank: [Int32]
  private var ranks: [(rank: Int, bucket: Int)] = []  // binary heap, smallest first

  init(ranks count: Int) {
    bucketOfRank = [Int32](repeating: -1, count: count)
  }

  /// Forgets the ranks of the piece before, which has been merged to the end.
  mutating func reset() {
    for bucket in buckets { bucketOfRank[bucket.rank] = -1 }
    buckets.removeAll(keepingCapacity: true)
  }

  /// Offers the pair at `position`.
  mutating func add(rank: Int, position: Int32) {
    var index = Int(bucketOfRank[rank])
    if index < 0 {
      index = buckets.count
      bucketOfRank[rank] = Int32(index)
      buckets.append(Bucket(rank: rank))
    }
    let count = buckets[index].positions.count
    if count == buckets[index].taken {
      buckets[index].positions.removeAll(keepingCapacity: true)
      buckets[index].taken = 0
      buckets[index].isSorted = true
      push((rank, index))
    } else if buckets[index].positions[count - 1] > position {
      buckets[index].isSorted = false
    }
    buckets[index].positions.append(position)
  }

  /// The offer of the lowest rank, of those the leftmost; nil when there is none.
  mutating func next() -> (rank: Int, position: Int32)? {
    guard let (rank, index) = ranks.first else { return nil }
    if !buckets[index].isSorted {
      let taken = buckets[index].taken
      buckets[index].positions[taken...].sort()
      buckets[index].isSorted = true
    }
    let position = buckets[index].positions[buckets[index].taken]
    buckets[index].taken += 1
    if buckets[index].taken == buckets[index].positions.count {
      buckets[index].positions = []  // gives the memory back: long pieces need it elsewhere
      buckets[index].taken = 0
      pop()
    }
    return (rank, position)
  }

  private mutating func push(_ item: (rank: Int, bucket: Int)) {
    var child = ranks.count
    ranks.append(item)
    while child > 0 {
      let parent = (child - 1) / 2
      if ranks[parent].rank <= ranks[child].rank { break }
      ranks.swapAt(parent, child)
      child = parent
    }
  }

  private mutating func pop() {
    ranks.swapAt(0, ranks.count - 1)
    ranks.removeLast()
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < ranks.count else { break }
      if child + 1 < ranks.count && ranks[child + 1].rank < ranks[child].rank { child += 1 }
      if ranks[parent].rank <= ranks[child].rank { break }
      ranks.swapAt(parent, child)
      parent = child
    }
  }
}
