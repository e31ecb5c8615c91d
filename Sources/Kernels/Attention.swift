import CKernels

/// out[T, queryHeads * headSize]: each query attends, in ONE softmax, to its block's memory and,
/// causally, to the local tokens 0...t (all, when not `causal`).
/// q[T, queryHeads, headSize], k and v [cached + T, keyValueHeads, headSize] with the shape's row
/// strides: the first `cached` keys are of tokens before these, and every query sees them.
/// `gates` [queryHeads], raw: in blocks with memory the memory's logits are times sigmoid(gate),
/// the local ones times 1 - sigmoid(gate). logSumExp[queryHeads, T] is kept for the backward pass.
///
/// Tiles are a head and at most 128 queries: the exact softmax of whole rows needs no rescaling.
public func attentionForward(
  _ out: MutableFloats, logSumExp: MutableFloats?, q: Floats, k: Floats, v: Floats, tokens: Int,
  cached: Int = 0, shape: AttentionShape, blocks: [AttentionBlock], gates: Floats? = nil,
  causal: Bool = true,
  workers: Workers, scratch: Scratch
) {
  let input = AttentionInput(
    q: q, k: k, v: v, tokens: tokens, cached: cached, shape: shape, gates: gates, causal: causal)
  let rowBlocks = RowBlock.split(blocks, tokens: tokens)
  let stride = RowBlock.stride(rowBlocks, input)
  workers.forEach(tiles: rowBlocks.count * shape.queryHeads) { tile, worker in
    // Within a head the costly last rows come first, which evens out the workers' ends.
    let head = tile / rowBlocks.count
    let rows = rowBlocks[rowBlocks.count - 1 - tile % rowBlocks.count]
    let weights = scratch.floats(worker: worker, count: (stride + 1) * RowBlock.limit)
    let inverses = weights + stride * RowBlock.limit
    input.logits(weights, stride: stride, rows: rows, head: head)
    for (i, t) in rows.queries.enumerated() {
      let width = rows.memory.memoryTokens + input.visible(rows.queries)
      let seen = causal ? rows.memory.memoryTokens + cached + t + 1 : width
      let (largest, sum) = exponentialRow(weights + i * stride, seen: seen, width: width)
      inverses[i] = 1 / sum
      logSumExp?[head * tokens + t] = largest + Float(ml_scalar_log(Double(sum)))
    }
    let to = out + rows.queries.lowerBound * shape.outStride + head * shape.headSize
    input.weighValues(
      to, outStride: shape.outStride, weights: weights, stride: stride, rows: rows, head: head)
    for i in 0..<rows.queries.count {
      scaleRow(to + i * shape.outStride, inverses[i], shape.headSize)
    }
  }
}

/// x[0..<seen] = exp(x - largest), x[seen..<width] = 0; the largest and the sum.
private func exponentialRow(
  _ x: MutableFloats, seen: Int, width: Int
) -> (largest: Float, sum: Float) {
  let largest = maximum(x, seen)
  var sums = SIMD16<Float>.zero
  @inline(__always) func step(_ i: Int, _ n: Int) {
    let e = ml_first(ml_exp(load(x + i, n) - largest), n)
    store(x + i, e, n)
    sums += e
  }
  eachVector(seen, step)
  (x + seen).update(repeating: 0, count: width - seen)
  return (largest, ml_sum(sums))
}
