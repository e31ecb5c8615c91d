import CKernels

/// Attention of whole segments, key tile by key tile: the softmax of a row is rescaled where a tile has a
/// larger logit (arXiv 2205.14135), so that logits never leave the cache.
///
/// A query's numbers do not depend on what else is computed beside it.
struct TiledAttention {
  let input: AttentionInput
  let out: MutableFloats
  let logSumExp: MutableFloats?

  /// Fewer queries, or fewer keys, are not worth laying out keys for.
  static let fewestQueries = 16
  static let fewestKeys = 128
  /// Keys of a tile.
  private static let keys = 256
  /// Floats between rows of logits: not a multiple of a page, so that rows are in distinct sets.
  private static let stride = keys + 16

  private var shape: AttentionShape { input.shape }
  /// A head's size in whole vectors.
  private var depth: Int { (shape.headSize + 15) / 16 * 16 }

  /// Floats of scratch for `heads` heads at once.
  func scratchCount(heads: Int) -> Int {
    Self.keys * (shape.headSize + depth) + RowBlock.limit * (Self.stride + heads * (depth + 2))
  }

  /// What one row block has of one head: sums of values, the largest logit so far and the sum of weights.
  private struct Row {
    let sums, largest, totals: MutableFloats
  }

  /// The output of `heads`, which share their keys, for the queries of `rows`.
  func run(_ rows: RowBlock, heads: Range<Int>, scratch: MutableFloats) {
    let packed = scratch
    let padded = packed + Self.keys * shape.headSize
    let weights = padded + Self.keys * depth
    var free = weights + RowBlock.limit * Self.stride
    let states = heads.map { _ in
      let state = Row(
        sums: free, largest: free + RowBlock.limit * depth,
        totals: free + RowBlock.limit * (depth + 1))
      state.sums.update(repeating: 0, count: RowBlock.limit * depth)
      state.largest.update(repeating: -.infinity, count: RowBlock.limit)
      state.totals.update(repeating: 0, count: RowBlock.limit)
      free += RowBlock.limit * (depth + 2)
      return state
    }
    for tile in tiles(rows, kv: heads.lowerBound / shape.group) {
      ml_pack_keys(packed, tile.keys, tile.keyStride, tile.count, shape.headSize)
      let (values, stride) = self.values(of: tile, padded)
      for (head, state) in zip(heads, states) {
        add(
          tile, state, rows, head: head, packed: packed, values: values, valueStride: stride,
          weights: weights)
      }
    }
    for (head, state) in zip(heads, states) { finish(rows, head: head, state) }
  }

  /// Consecutive keys and values of one kind.
  private struct Tile {
    let keys, values: Floats
    let keyStride, valueStride, count: Int
    /// The local key that is its first; nil: keys of memory, which every row sees.
    let first: Int?
  }

  private func tiles(_ rows: RowBlock, kv: Int) -> [Tile] {
    let (memory, at) = (rows.memory, kv * shape.headSize)
    var tiles: [Tile] = []
    if let keys = memory.memoryKeys, let values = memory.memoryValues {
      let stride = shape.memoryStride
      for first in Swift.stride(from: 0, to: memory.memoryTokens, by: Self.keys) {
        tiles.append(
          Tile(
            keys: keys + first * stride + at, values: values + first * stride + at,
            keyStride: stride, valueStride: stride,
            count: min(Self.keys, memory.memoryTokens - first), first: nil))
      }
    }
    let visible = input.visible(rows.queries)
    for first in Swift.stride(from: visible.lowerBound, to: visible.upperBound, by: Self.keys) {
      tiles.append(
        Tile(
          keys: input.k + first * shape.keyStride + at,
          values: input.v + first * shape.valueStride + at, keyStride: shape.keyStride,
          valueStride: shape.valueStride, count: min(Self.keys, visible.upperBound - first),
          first: first))
    }
    return tiles
  }

  /// The values as rows of whole vectors: as they lie, or copied.
  private func values(of tile: Tile, _ padded: MutableFloats) -> (Floats, Int) {
    guard depth > shape.headSize else { return (tile.values, tile.valueStride) }
    for i in 0..<tile.count {
      let to = padded + i * depth
      to.update(from: tile.values + i * tile.valueStride, count: shape.headSize)
      (to + shape.headSize).update(repeating: 0, count: depth - shape.headSize)
    }
    return (Floats(padded), depth)
  }

  /// Weighs a tile's values into a head's sums.
  private func add(
    _ tile: Tile, _ state: Row, _ rows: RowBlock, head: Int, packed: MutableFloats,
    values: Floats, valueStride: Int, weights: MutableFloats
  ) {
    // Row i sees the tile's keys before reach + i.
    let reach =
      tile.first.flatMap { input.causal ? input.cached + rows.queries.lowerBound + 1 - $0 : nil }
      ?? tile.count
    let skipped = max(0, 1 - reach)
    let count = rows.queries.count - skipped
    guard count > 0 else { return }
    let queries =
      input.q + (rows.queries.lowerBound + skipped) * shape.queryStride + head * shape.headSize
    ml_attention_scores(
      weights, Self.stride, queries, shape.queryStride, count, packed, shape.headSize,
      (tile.count + 15) / 16, reach + skipped)
    let factor = factor(of: tile, rows, head: head)
    for i in 0..<count {
      let row = weights + i * Self.stride
      let seen = seen(tile, row: skipped + i, reach: reach, rows)
      row.update(repeating: 0, count: min(seen.lowerBound, tile.count))
      weigh(row + seen.lowerBound, seen.count, factor, state, at: skipped + i)
      (row + seen.upperBound).update(repeating: 0, count: tile.count - seen.upperBound)
    }
    ml_attention_values(
      state.sums + skipped * depth, depth, weights, Self.stride, count, values, valueStride,
      tile.count, depth / 16, reach + skipped)
  }

  /// The keys of the tile that row `i` sees.
  private func seen(_ tile: Tile, row i: Int, reach: Int, _ rows: RowBlock) -> Range<Int> {
    let end = min(tile.count, reach + i)
    guard let first = tile.first, let window = input.window else { return 0..<end }
    let start = input.cached + rows.queries.lowerBound + i + 1 - window - first
    return min(max(0, start), end)..<end
  }

  /// What the products of queries and keys are times.
  private func factor(of tile: Tile, _ rows: RowBlock, head: Int) -> Float {
    guard let gate = input.gate(head, rows) else { return shape.scale }
    return shape.scale * (tile.first == nil ? gate : 1 - gate)
  }

  /// x = exp(factor x - the row's largest logit so far), and what the row had before in its proportion.
  private func weigh(
    _ x: MutableFloats, _ count: Int, _ factor: Float, _ state: Row, at row: Int
  ) {
    guard count > 0 else { return }
    let before = state.largest[row]
    let largest = max(before, maximum(x, count) * factor)
    if largest > before {
      state.largest[row] = largest
      let ratio = Float(ml_scalar_exp(Double(before - largest)))
      state.totals[row] *= ratio
      scaleRow(state.sums + row * depth, ratio, depth)
    }
    state.totals[row] += exponentials(x, count, largest, factor: factor)
  }

  private func finish(_ rows: RowBlock, head: Int, _ state: Row) {
    for (i, t) in rows.queries.enumerated() {
      let to = out + t * shape.outStride + head * shape.headSize
      let total = state.totals[i]
      scaleRow(state.sums + i * depth, 1 / total, depth)
      to.update(from: state.sums + i * depth, count: shape.headSize)
      logSumExp?[head * input.tokens + t] = state.largest[i] + Float(ml_scalar_log(Double(total)))
    }
  }
}

/// x[0..<count] = exp(factor x - largest); their sum.
func exponentials(_ x: MutableFloats, _ count: Int, _ largest: Float, factor: Float = 1) -> Float {
  var sums = SIMD16<Float>.zero
  let (factors, shift) = (SIMD16<Float>(repeating: factor), SIMD16<Float>(repeating: -largest))
  @inline(__always) func step(_ i: Int, _ n: Int) {
    let e = ml_first(ml_exp(ml_madd(load(x + i, n), factors, shift)), n)
    store(x + i, e, n)
    sums += e
  }
  eachVector(count, step)
  return ml_sum(sums)
}
