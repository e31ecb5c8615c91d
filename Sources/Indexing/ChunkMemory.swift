/// The live chunks, from the oldest to the newest, their keys in one block of memory.
///
/// Chunks of the running segment, and those that the reader's local context still holds, are already
/// stored but not live: they wait at the end until `admit` lets them in, so no key is copied twice.
/// Eviction moves the survivors down in order.
struct ChunkMemory {
  let dimension: Int
  /// [stored] row of each chunk, ascending.
  private(set) var rows: [Int] = []
  /// [live] retrievals since entry.
  private(set) var hits: [Int] = []
  /// [live] event of the last retrieval, or of the entry.
  private(set) var lastUse: [Int] = []
  /// [stored, dimension]
  private var keys: [Float] = []

  init(dimension: Int, entries: [LiveMemory.Entry] = []) {
    self.dimension = dimension
    rows = entries.map(\.row)
    hits = entries.map(\.hits)
    lastUse = entries.map(\.lastUse)
    keys = entries.flatMap(\.key)
    precondition(keys.count == rows.count * dimension)
  }

  var entries: [LiveMemory.Entry] {
    hits.indices.map {
      LiveMemory.Entry(
        row: rows[$0], hits: hits[$0], lastUse: lastUse[$0],
        key: Array(keys[$0 * dimension..<($0 + 1) * dimension]))
    }
  }

  var liveCount: Int { hits.count }

  mutating func store(row: Int, key: UnsafeBufferPointer<Float>) {
    precondition(key.count == dimension)
    rows.append(row)
    keys.append(contentsOf: key)
  }

  /// The waiting chunks but the newest `waiting` enter with counter 0.
  mutating func admit(event: Int, allBut waiting: Int) {
    let entering = max(0, rows.count - hits.count - waiting)
    hits.append(contentsOf: repeatElement(0, count: entering))
    lastUse.append(contentsOf: repeatElement(event, count: entering))
  }

  mutating func recordHit(_ position: Int, event: Int) {
    hits[position] += 1
    lastUse[position] = event
  }

  /// Calls `body` with the live keys, [live, dimension].
  func withKeys<R>(_ body: (UnsafePointer<Float>) throws -> R) rethrows -> R {
    try keys.withUnsafeBufferPointer { try body($0.baseAddress!) }
  }

  /// Removes the live chunks at `positions` (ascending).
  mutating func remove(_ positions: [Int]) {
    let live = hits.count
    guard var target = positions.first else { return }
    keys.withUnsafeMutableBufferPointer { keys in
      for (index, position) in positions.enumerated() {
        // The run of survivors between this hole and the next one.
        let end = index + 1 < positions.count ? positions[index + 1] : rows.count
        let run = (position + 1)..<end
        guard !run.isEmpty else { continue }
        let from = keys.baseAddress! + run.lowerBound * dimension
        (keys.baseAddress! + target * dimension).update(from: from, count: run.count * dimension)
        for survivor in run {
          rows[target] = rows[survivor]
          if survivor < live {
            hits[target] = hits[survivor]
            lastUse[target] = lastUse[survivor]
          }
          target += 1
        }
      }
    }
    rows.removeLast(positions.count)
    hits.removeLast(positions.count)
    lastUse.removeLast(positions.count)
    keys.removeLast(positions.count * dimension)
  }

  mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    hits.removeAll(keepingCapacity: true)
    lastUse.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
  }
}
