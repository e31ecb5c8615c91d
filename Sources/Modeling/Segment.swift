import Kernels

/// One forward pass' worth of tokens with what each retrieval block reads from memory.
public struct Segment: Sendable {
  /// A span of queries that reads one retrieved set, in time order (DESIGN §1.2).
  public struct Block: Sendable {
    public var queries: Range<Int>
    public var chunks: [MemoryChunk]

    public init(queries: Range<Int>, chunks: [MemoryChunk]) {
      self.queries = queries
      self.chunks = chunks
    }
  }

  public var tokens: [Int32]
  /// targets[t] is the token that position t must predict, −1 where nothing is scored.
  public var targets: [Int32]
  /// In order, covering every position; empty for plain local attention.
  public var blocks: [Block]

  public init(tokens: [Int32], targets: [Int32], blocks: [Block] = []) {
    precondition(tokens.count == targets.count)
    self.tokens = tokens
    self.targets = targets
    self.blocks = blocks
  }

  /// The targets of a language model within one segment: each position predicts the next token.
  public static func shifted(_ tokens: [Int32], last: Int32 = -1) -> [Int32] {
    Array(tokens.dropFirst()) + (tokens.isEmpty ? [] : [last])
  }
}

/// The retrieved keys (rotated for use) and values of a segment's blocks, one slot's worth.
final class GatheredMemory {
  private var keys: FloatBuffer
  private var values: FloatBuffer
  private(set) var blocks: [AttentionBlock] = []

  init() {
    keys = FloatBuffer(count: 0)
    values = FloatBuffer(count: 0)
  }

  /// Lays the blocks' chunks out side by side, keys rotated by the table of each block's length.
  ///
  /// `scaling` is what the rotary embedding multiplies keys by where there is no table. Local tokens stand at positions 0…T−1 under `continual`, so a memory key j of M stands at j − M:
  /// rotary attention sees differences only.
  func gather(
    _ segment: [Segment.Block], slot: Int, width: Int, headSize: Int, scaling: Float,
    rotation: (Int) -> RotaryTable?, workers: Workers
  ) {
    let totals = segment.map { $0.chunks.reduce(0) { $0 + $1.tokens } }
    let needed = totals.reduce(0, +) * width
    if keys.count < needed {
      keys = FloatBuffer(count: needed)
      values = FloatBuffer(count: needed)
    }
    blocks = []
    var row = 0
    for (block, total) in zip(segment, totals) {
      guard total > 0 else {
        blocks.append(AttentionBlock(queries: block.queries))
        continue
      }
      let (blockKeys, blockValues) = (keys.pointer + row * width, values.pointer + row * width)
      var offset = 0
      for chunk in block.chunks {
        chunk.keys[slot].expand(into: blockKeys + offset * width)
        chunk.values[slot].expand(into: blockValues + offset * width)
        offset += chunk.tokens
      }
      if let table = rotation(total) {
        rotate(
          blockKeys, tokens: total, heads: width / headSize, headSize: headSize, stride: width,
          table: table, firstPosition: table.positions.lowerBound, inverse: false,
          workers: workers)
      } else if scaling != 1 {
        scale(blockKeys, scaling, count: total * width, workers: workers)
      }
      blocks.append(
        AttentionBlock(
          queries: block.queries, memoryKeys: Floats(blockKeys), memoryValues: Floats(blockValues),
          memoryTokens: total))
      row += total
    }
  }
}
