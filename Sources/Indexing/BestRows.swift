import Kernels

/// The `limit` best of the candidates offered so far, best first; of equal scores the one offered
/// first is better, so candidates offered from old to new resolve ties to the older.
struct BestRows {
  let limit: Int
  private(set) var rows: [Int] = []
  private(set) var scores: [Float] = []

  init(limit: Int) {
    precondition(limit >= 1)
    self.limit = limit
  }

  /// Offers `base`, `base + 1`, … with the scores given.
  mutating func offer(_ candidates: UnsafeBufferPointer<Float>, base: Int) {
    var index = 0
    while index < candidates.count, rows.count < limit {
      insert(base + index, candidates[index])
      index += 1
    }
    guard let values = candidates.baseAddress, var worst = scores.last else { return }
    while true {
      index = firstAbove(worst, values, from: index, count: candidates.count)
      if index == candidates.count { return }
      insert(base + index, candidates[index])
      worst = scores[limit - 1]
      index += 1
    }
  }

  private mutating func insert(_ row: Int, _ score: Float) {
    var low = 0
    var high = scores.count
    while low < high {
      let middle = (low + high) / 2
      if scores[middle] >= score { low = middle + 1 } else { high = middle }
    }
    if scores.count == limit {
      rows.removeLast()
      scores.removeLast()
    }
    rows.insert(row, at: low)
    scores.insert(score, at: low)
  }
}
