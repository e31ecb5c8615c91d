// Which positions of the memory go. Positions count the live chunks from the oldest (0) to the
// newest (n − 1), so the order of positions is the order of rows.

/// The positions that leave a memory of `n` live chunks, ascending; none when n ≤ `capacity`.
///
/// d = n − ⌊capacity / 2⌋ go, except that `counter` never takes from the newest ⌊n/10⌋. The middle
/// that it may take from holds n − 2⌊n/10⌋ and owes d − ⌊n/10⌋, which is more only when
/// ⌊n/10⌋ > ⌊capacity / 2⌋. Since n ≤ capacity + (chunks of one segment), that needs a segment of
/// more than about 4 × capacity chunks. Then all but the newest ⌊n/10⌋ go, fewer than d.
/// For capacity ≥ the chunks of a segment, n ≤ 2 × capacity, ⌊n/10⌋ ≤ ⌊capacity / 2⌋, and exactly
/// d go.
///
/// - Parameters:
///   - hits: [n] retrievals of each chunk since it entered.
///   - lastUse: [n] event of the last retrieval, or of the entry where there was none.
func evictedPositions(
  _ eviction: Eviction, capacity: Int, hits: [Int], lastUse: [Int]
) -> [Int] {
  let count = hits.count
  guard eviction != .none, count > capacity else { return [] }
  let due = count - capacity / 2
  switch eviction {
  case .none: return []
  case .fifo: return Array(0..<due)
  case .lru: return leastFirst(0..<count, due, by: lastUse)
  case .counter:
    let tenth = count / 10
    let oldest = min(tenth, due)
    let middle = tenth..<(count - tenth)
    return Array(0..<oldest) + leastFirst(middle, min(due - oldest, middle.count), by: hits)
  }
}

/// The first `amount` of `positions` by (`value`, position), in ascending position.
private func leastFirst(_ positions: Range<Int>, _ amount: Int, by value: [Int]) -> [Int] {
  let order = positions.sorted { value[$0] != value[$1] ? value[$0] < value[$1] : $0 < $1 }
  return order.prefix(amount).sorted()
}
