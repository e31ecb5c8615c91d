import CKernels

/// out[T, queryHeads * headSize]: each query attends, in ONE softmax, to its block's memory and,
/// causally, to the local tokens 0...t (all, when not `causal`).
/// q[T, queryHeads, headSize], k and v [cached + T, keyValueHeads, headSize] with the shape's row
/// strides: the first `cached` keys are of tokens before these, and every query sees them.
/// With a `window`, a query sees of the local keys only its own and the window - 1 before it; the
/// memory is seen whole.
/// `gates` [queryHeads], raw: in blocks with memory the memory's logits are times sigmoid(gate),
/// the local ones times 1 - sigmoid(gate). logSumExp[queryHeads, T] is kept for the backward pass.
///
/// Tiles are a head, or the heads that share their keys, and at most 128 queries.
public func attentionForward(
  _ out: MutableFloats, logSumExp: MutableFloats?, q: Floats, k: Floats, v: Floats, tokens: Int,
  cached: Int = 0, shape: AttentionShape, blocks: [AttentionBlock], gates: Floats? = nil,
  causal: Bool = true, window: Int? = nil,
  workers: Workers, scratch: Scratch
) {
  let input = AttentionInput(
    q: q, k: k, v: v, tokens: tokens, cached: cached, shape: shape, gates: gates, causal: causal,
    window: window)
  let rowBlocks = RowBlock.split(blocks, tokens: tokens)
  let mostKeys = cached + tokens + (blocks.map(\.memoryTokens).max() ?? 0)
  if tokens >= TiledAttention.fewestQueries, mostKeys >= TiledAttention.fewestKeys {
    let tiled = TiledAttention(input: input, out: out, logSumExp: logSumExp)
    // Keys are laid out once for the heads that share them, where there is work enough beside.
    let isWide = rowBlocks.count * shape.keyValueHeads >= 4 * workers.threads
    let heads = isWide ? shape.group : 1
    workers.forEach(tiles: rowBlocks.count * shape.queryHeads / heads) { tile, worker in
      // Within a head the costly last rows come first, which evens out the workers' ends.
      let first = tile / rowBlocks.count * heads
      tiled.run(
        rowBlocks[rowBlocks.count - 1 - tile % rowBlocks.count], heads: first..<first + heads,
        scratch: scratch.floats(worker: worker, count: tiled.scratchCount(heads: heads)))
    }
    return
  }
  wholeRowsForward(
    out, logSumExp: logSumExp, input, rowBlocks, workers: workers, scratch: scratch)
}

/// The same by whole rows of logits: of few queries, for which keys are read as they lie.
private func wholeRowsForward(
  _ out: MutableFloats, logSumExp: MutableFloats?, _ input: AttentionInput,
  _ rowBlocks: [RowBlock], workers: Workers, scratch: Scratch
) {
  let shape = input.shape
  let stride = RowBlock.stride(rowBlocks, input)
  workers.forEach(tiles: rowBlocks.count * shape.queryHeads) { tile, worker in
    let head = tile / rowBlocks.count
    let rows = rowBlocks[rowBlocks.count - 1 - tile % rowBlocks.count]
    let weights = scratch.floats(worker: worker, count: (stride + 1) * RowBlock.limit)
    let inverses = weights + stride * RowBlock.limit
    input.logits(weights, stride: stride, rows: rows, head: head)
    for (i, t) in rows.queries.enumerated() {
      let memory = rows.memory.memoryTokens
      let width = memory + input.visible(rows.queries).count
      let seen = input.seen(by: t, in: rows.queries)
      let (largest, sum) = exponentialRow(
        weights + i * stride, memory + seen.lowerBound..<memory + seen.upperBound, memory: memory,
        width: width)
      inverses[i] = 1 / sum
      logSumExp?[head * input.tokens + t] = largest + Float(ml_scalar_log(Double(sum)))
    }
    let to = out + rows.queries.lowerBound * shape.outStride + head * shape.headSize
    input.weighValues(
      to, outStride: shape.outStride, weights: weights, stride: stride, rows: rows, head: head)
    for i in 0..<rows.queries.count {
      scaleRow(to + i * shape.outStride, inverses[i], shape.headSize)
    }
  }
}

/// x = exp(x - largest) over the memory and what is `seen` of the local tokens, 0 elsewhere in
/// 0..<width; the largest and the sum.
private func exponentialRow(
  _ x: MutableFloats, _ seen: Range<Int>, memory: Int, width: Int
) -> (largest: Float, sum: Float) {
  // Where no window hides a local token, memory and local tokens are one run.
  let hasHole = seen.lowerBound > memory
  let first = hasHole ? memory : seen.upperBound
  var largest = maximum(x, first)
  if hasHole { largest = max(largest, maximum(x + seen.lowerBound, seen.count)) }
  var sum = exponentials(x, first, largest)
  if hasHole {
    (x + memory).update(repeating: 0, count: seen.lowerBound - memory)
    sum += exponentials(x + seen.lowerBound, seen.count, largest)
  }
  (x + seen.upperBound).update(repeating: 0, count: width - seen.upperBound)
  return (largest, sum)
}
