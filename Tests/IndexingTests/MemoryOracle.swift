import Indexing
import Kernels
import TestSupport

/// One chunk as the planner is told of it.
struct StreamChunk {
  var key: [Float]
  var query: [Float]?
  var document: Int
  var segment: Int
}

/// The rules of the memory, spelt out once more without regard to speed: whole stream in hand, one
/// struct per live chunk, minima picked one at a time. Inner products are summed in Double, so
/// compare only where components are small multiples of a power of two.
struct MemoryOracle {
  struct Live {
    var row: Int
    var counter = 0
    var used: Int
  }

  let settings: MemorySettings
  let chunks: [StreamChunk]
  private var live: [Live] = []
  /// Rows of completed segments that the reader's local context still holds.
  private var waiting: [Int] = []
  private var clock = 0
  private(set) var blocks: [PlannedBlock] = []

  init(_ settings: MemorySettings, _ chunks: [StreamChunk]) {
    self.settings = settings
    self.chunks = chunks
    var row = 0
    while row < chunks.count {
      var end = row
      while end < chunks.count, chunks[end].document == chunks[row].document,
        chunks[end].segment == chunks[row].segment
      { end += 1 }
      let isEnd = end == chunks.count || chunks[end].document != chunks[row].document
      playSegment(row..<end, isEnd: isEnd)
      if end < chunks.count, settings.reset == .document,
        chunks[end].document != chunks[row].document
      {
        live = []
      }
      row = end
    }
  }

  private mutating func playSegment(_ rows: Range<Int>, isEnd: Bool) {
    for row in rows {
      if let query = chunks[row].query { playBlock(row, query) }
    }
    clock += 1
    waiting += rows
    while let row = waiting.first, isEnd || waiting.count > settings.heldBack {
      live.append(Live(row: row, used: clock))
      waiting.removeFirst()
    }
    let gone = evict()
    guard let last = blocks.indices.last else { return }
    blocks[last].evicted = (blocks[last].evicted + gone).sorted()
  }

  private mutating func playBlock(_ row: Int, _ query: [Float]) {
    clock += 1
    var taken: [(row: Int, score: Double)] = []
    if query.contains(where: { $0 != 0 }) {
      let all = live.map { (row: $0.row, score: product(chunks[$0.row].key, query)) }
      switch settings.selection {
      case .nearest:
        taken = all.sorted { $0.score > $1.score || ($0.score == $1.score && $0.row < $1.row) }
      case .recent: taken = all.reversed()
      case .random:
        taken = all.sorted { draw(block: row, chunk: $0.row) < draw(block: row, chunk: $1.row) }
      }
    }
    let newest = Set(live.suffix(settings.alwaysRecent).map(\.row))
    taken =
      taken.filter { newest.contains($0.row) } + taken.filter { !newest.contains($0.row) }
    taken = taken.prefix(settings.topK).sorted { $0.row < $1.row }
    blocks.append(
      PlannedBlock(
        row: row, neighbours: taken.map(\.row), scores: taken.map { Float($0.score) },
        live: live.count, evicted: []))
    for hit in taken {
      let index = live.firstIndex { $0.row == hit.row }!
      live[index].counter += 1
      live[index].used = clock
    }
  }

  private func product(_ a: [Float], _ b: [Float]) -> Double {
    var sum = 0.0
    for index in a.indices { sum += Double(a[index]) * Double(b[index]) }
    return sum
  }

  private func draw(block: Int, chunk: Int) -> UInt64 {
    func once(_ x: UInt64) -> UInt64 {
      var generator = SplitMix64(seed: x)
      return generator.next()
    }
    return once(once(once(settings.seed) ^ UInt64(block)) ^ UInt64(chunk))
  }

  private mutating func evict() -> [Int] {
    let n = live.count
    guard settings.eviction != .none, n > settings.capacity else { return [] }
    let d = n - settings.capacity / 2
    let tenth = n / 10
    var gone: [Live] = []
    var candidates = live
    if settings.eviction == .counter {
      gone = Array(live.prefix(min(tenth, d)))
      candidates = Array(live.dropFirst(tenth).dropLast(tenth))
    }
    while gone.count < d, !candidates.isEmpty {
      let next = candidates.indices.min { worse(candidates[$0], candidates[$1]) }!
      gone.append(candidates.remove(at: next))
    }
    live.removeAll { chunk in gone.contains { $0.row == chunk.row } }
    return gone.map(\.row)
  }

  private func worse(_ a: Live, _ b: Live) -> Bool {
    switch settings.eviction {
    case .counter: (a.counter, a.row) < (b.counter, b.row)
    case .lru: (a.used, a.row) < (b.used, b.row)
    case .fifo, .none: a.row < b.row
    }
  }
}

/// The planner's answer for a whole stream.
func plan(
  _ settings: MemorySettings, _ chunks: [StreamChunk], threads: Int = 1
) throws -> [PlannedBlock] {
  var blocks: [PlannedBlock] = []
  let planner = MemoryPlanner(
    settings, dimension: chunks.first?.key.count ?? 1, workers: Workers(threads: threads)
  ) { blocks.append($0) }
  for chunk in chunks {
    try chunk.key.withUnsafeBufferPointer { key in
      let segment = Int64(chunk.segment)
      let document = Int64(chunk.document)
      if let query = chunk.query {
        try query.withUnsafeBufferPointer {
          try planner.append(key: key, query: $0, document: document, segment: segment)
        }
      } else {
        try planner.append(key: key, query: nil, document: document, segment: segment)
      }
    }
  }
  try planner.finish()
  return blocks
}
