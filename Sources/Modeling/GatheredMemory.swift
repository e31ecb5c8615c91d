import Kernels

/// What a segment's blocks retrieve, as attention reads it: keys rotated for use, and values.
///
/// One slot at a time: of all layers together they would fill many times the cache that attention finds
/// them in, and more memory than the bank of a short text.
final class GatheredMemory {
  private var keys = FloatBuffer(count: 0)
  private var values = FloatBuffer(count: 0)
  private var segment: [Segment.Block] = []
  private var parts: [Part] = []
  private var slot: Int?
  private var gathered: [AttentionBlock] = []
  private var (width, headSize, scaling) = (0, 0, Float(1))
  /// The rotations of memories of so many tokens, and what they were made for.
  private var tables: [Int: RotaryTable] = [:]
  private var tablesKey = 0

  /// A chunk's place among all that are gathered.
  private struct Part {
    let chunk: MemoryChunk
    /// Its first token, of all blocks' and of its own block's.
    let first: Int
    let offset: Int
    /// Of its block.
    let total: Int
  }

  /// Whether no block reads anything.
  var isEmpty: Bool { parts.isEmpty }

  /// Takes the blocks of a segment.
  ///
  /// - Parameters:
  ///   - scaling: what the rotary embedding multiplies keys by where there is no table.
  ///   - tablesDependOn: tables are made anew where it is another number than before.
  ///   - rotation: the table of a block that retrieves so many tokens. Local tokens stand at
  ///     positions 0…T−1 under `continual`, so a memory key j of M stands at j − M: rotary attention
  ///     sees differences only.
  func begin(
    _ segment: [Segment.Block], width: Int, headSize: Int, scaling: Float, tablesDependOn key: Int,
    rotation: (Int) -> RotaryTable?
  ) {
    self.segment = segment
    (self.width, self.headSize, self.scaling) = (width, headSize, scaling)
    slot = nil
    parts = []
    var first = 0
    for block in segment {
      let total = block.chunks.reduce(0) { $0 + $1.tokens }
      var offset = 0
      for chunk in block.chunks {
        parts.append(Part(chunk: chunk, first: first + offset, offset: offset, total: total))
        offset += chunk.tokens
      }
      first += total
    }
    let totals = Set(parts.map(\.total))
    if key != tablesKey { tables = [:] }
    tablesKey = key
    tables = tables.filter { totals.contains($0.key) }
    for total in totals where tables[total] == nil { tables[total] = rotation(total) }
    if keys.count < first * width {
      keys = FloatBuffer(unfilled: first * width)
      values = FloatBuffer(unfilled: first * width)
    }
  }

  /// Lays the blocks' chunks out side by side, keys rotated for their places.
  func blocks(slot: Int, workers: Workers) -> [AttentionBlock] {
    guard slot != self.slot else { return gathered }
    self.slot = slot
    workers.forEach(tiles: parts.count) { index, _ in gather(parts[index], slot: slot) }
    var first = 0
    gathered = segment.map { block in
      let total = block.chunks.reduce(0) { $0 + $1.tokens }
      defer { first += total }
      guard total > 0 else { return AttentionBlock(queries: block.queries) }
      return AttentionBlock(
        queries: block.queries, memoryKeys: keys.floats + first * width,
        memoryValues: values.floats + first * width, memoryTokens: total)
    }
    return gathered
  }

  private func gather(_ part: Part, slot: Int) {
    let to = keys.pointer + part.first * width
    part.chunk.expand(slot: slot, keys: to, values: values.pointer + part.first * width)
    let tokens = part.chunk.tokens
    let alone = Workers(threads: 1)  // a tile of those that share the work
    if let table = tables[part.total] {
      rotate(
        to, tokens: tokens, heads: width / headSize, headSize: headSize, stride: width,
        table: table, firstPosition: table.positions.lowerBound + part.offset, workers: alone)
    } else if scaling != 1 {
      scale(to, scaling, count: tokens * width, workers: alone)
    }
  }

  /// Lets go of the chunks: what the segment alone kept is free.
  func end() {
    segment = []
    parts = []
    gathered = []
    slot = nil
  }
}
