import CKernels

/// The gradients of `attentionForward`: dq, dk, dv (+=, with the strides of q, k, v), and dGates
/// (+= per head, by the raw gate). The memory and the `cached` keys are detached: nothing flows into
/// them, and dk, dv have the rows of the T tokens alone. The weights are recomputed from logSumExp:
/// p = exp(l - logSumExp), dl = p (dOut·v - dOut·out).
///
/// A tile is a query head and a share of its row blocks; it adds dk and dv into buffers of its own,
/// which are then reduced in order, so query heads that share keys need no locks.
public func attentionBackward(
  dq: MutableFloats, dk: MutableFloats, dv: MutableFloats, dGates: UnsafeMutablePointer<Double>?,
  dOut: Floats, out: Floats, logSumExp: Floats, q: Floats, k: Floats, v: Floats, tokens: Int,
  cached: Int = 0, shape: AttentionShape, blocks: [AttentionBlock], gates: Floats? = nil,
  causal: Bool = true, window: Int? = nil, workers: Workers, scratch: Scratch
) {
  let input = AttentionInput(
    q: q, k: k, v: v, tokens: tokens, cached: cached, shape: shape, gates: gates, causal: causal,
    window: window)
  let rowBlocks = RowBlock.split(blocks, tokens: tokens)
  guard !rowBlocks.isEmpty else { return }
  let pass = AttentionBackward(
    input: input, dOut: dOut, out: out, logSumExp: logSumExp, dq: dq, rowBlocks: rowBlocks,
    stride: RowBlock.stride(rowBlocks, input))
  let tiles = shape.queryHeads * pass.shares
  let buffers = scratch.shared(count: tiles * pass.bufferSize)
  let gateSums = UnsafeMutablePointer<Double>.allocate(capacity: tiles)
  defer { gateSums.deallocate() }
  workers.forEach(tiles: tiles) { tile, worker in
    let weights = scratch.floats(worker: worker, count: 2 * pass.stride * RowBlock.limit)
    gateSums[tile] = pass.runTile(
      head: tile / pass.shares, share: tile % pass.shares, weights: weights,
      buffer: buffers + tile * pass.bufferSize)
  }
  if let dGates {
    for tile in 0..<tiles { dGates[tile / pass.shares] += gateSums[tile] }
  }
  pass.reduce(buffers, dk: dk, dv: dv, workers: workers)
}

private struct AttentionBackward {
  let input: AttentionInput
  let dOut, out, logSumExp: Floats
  let dq: MutableFloats
  let rowBlocks: [RowBlock]
  let stride: Int

  var shape: AttentionShape { input.shape }
  /// Tiles of one head: two, so that nine heads balance over two threads.
  var shares: Int { min(2, rowBlocks.count) }
  /// dk [T, headSize], then dv.
  var bufferSize: Int { 2 * input.tokens * shape.headSize }

  /// The row blocks of a share, last first: dealt 0 1 1 0 0 1 1 0 …, which evens out causal rows.
  func rowBlocks(share: Int) -> [RowBlock] {
    guard shares > 1 else { return rowBlocks.reversed() }
    return rowBlocks.indices.reversed().filter {
      [0, 1, 1, 0][(rowBlocks.count - 1 - $0) % 4] == share
    }.map { rowBlocks[$0] }
  }

  /// Tokens whose keys this share's queries see: the extent of its buffers' contents.
  func extent(share: Int) -> Int {
    rowBlocks(share: share).map { own($0).tokens.upperBound }.max() ?? 0
  }

  /// What of the local keys that some of these queries see is the tokens' own, and the column of its
  /// logits.
  func own(_ rows: RowBlock) -> (tokens: Range<Int>, column: Int) {
    let seen = input.visible(rows.queries)
    let first = max(seen.lowerBound, input.cached)
    return (
      first - input.cached..<seen.upperBound - input.cached,
      rows.memory.memoryTokens + first - seen.lowerBound
    )
  }

  /// All row blocks of one share; returns its part of the head's gate gradient.
  func runTile(head: Int, share: Int, weights: MutableFloats, buffer: MutableFloats) -> Double {
    var gateSum = 0.0
    let size = shape.headSize
    let (dk, dv) = (buffer, buffer + input.tokens * size)
    // The first block's keys cover the others', so it may write where the others add; not so where a
    // window hides some from it.
    var isFirst = input.window == nil
    if !isFirst {
      let extent = extent(share: share)
      dk.update(repeating: 0, count: extent * size)
      dv.update(repeating: 0, count: extent * size)
    }
    for rows in rowBlocks(share: share) {
      let (p, dl) = (weights, weights + stride * RowBlock.limit)
      gateSum += logitGradients(p, dl, rows: rows, head: head)
      let (first, count) = (rows.queries.lowerBound, rows.queries.count)
      let (own, column) = own(rows)
      let beta: Float = isFirst ? 0 : 1
      isFirst = false
      sgemm(
        own.count, size, count, alpha: 1, p + column, stride, transposeA: true,
        dOut + first * shape.outStride + head * size, shape.outStride, beta: beta,
        dv + own.lowerBound * size, size)
      sgemm(
        own.count, size, count, alpha: localScale(head, rows), dl + column, stride,
        transposeA: true, input.q + first * shape.queryStride + head * size, shape.queryStride,
        beta: beta, dk + own.lowerBound * size, size)
      queryGradients(dl, rows: rows, head: head)
    }
    return gateSum
  }

  func localScale(_ head: Int, _ rows: RowBlock) -> Float {
    shape.scale * (input.gate(head, rows).map { 1 - $0 } ?? 1)
  }

  /// dq[rows] += dl [memory keys ‖ keys], each part times its logits' factor.
  func queryGradients(_ dl: Floats, rows: RowBlock, head: Int) {
    let (size, kv) = (shape.headSize, head / shape.group * shape.headSize)
    let (m, seen) = (rows.memory.memoryTokens, input.visible(rows.queries))
    let to = dq + rows.queries.lowerBound * shape.queryStride + head * size
    sgemm(
      rows.queries.count, size, seen.count, alpha: localScale(head, rows), dl + m, stride,
      input.k + seen.lowerBound * shape.keyStride + kv, shape.keyStride, beta: 1, to,
      shape.queryStride)
    if m > 0, let keys = rows.memory.memoryKeys {
      sgemm(
        rows.queries.count, size, m, alpha: shape.scale * (input.gate(head, rows) ?? 1), dl, stride,
        keys + kv, shape.memoryStride, beta: 1, to, shape.queryStride)
    }
  }

  /// p = the softmax weights and dl = the gradient of the logits, both [rows, M + visible], and
  /// returned: the gradient by the raw gate, (1 - s) sum(dl l) over memory - s sum(dl l) over local.
  func logitGradients(
    _ p: MutableFloats, _ dl: MutableFloats, rows: RowBlock, head: Int
  ) -> Double {
    let (size, kv) = (shape.headSize, head / shape.group * shape.headSize)
    let (m, visible) = (rows.memory.memoryTokens, input.visible(rows.queries))
    let first = rows.queries.lowerBound
    let dRows = dOut + first * shape.outStride + head * size
    input.logits(p, stride: stride, rows: rows, head: head)
    if m > 0, let values = rows.memory.memoryValues {
      sgemm(
        rows.queries.count, m, size, alpha: 1, dRows, shape.outStride, values + kv,
        shape.memoryStride, transposeB: true, beta: 0, dl, stride)
    }
    sgemm(
      rows.queries.count, visible.count, size, alpha: 1, dRows, shape.outStride,
      input.v + visible.lowerBound * shape.valueStride + kv, shape.valueStride, transposeB: true,
      beta: 0, dl + m, stride)
    var (memorySum, localSum) = (0.0, 0.0)
    for (i, t) in rows.queries.enumerated() {
      let at = t * shape.outStride + head * size
      let delta = dot(dOut + at, out + at, size)
      let lse = logSumExp[head * input.tokens + t]
      let (pRow, dRow) = (p + i * stride, dl + i * stride)
      if m > 0 {
        memorySum += Double(softmaxGradientRow(pRow, dRow, lse, delta, seen: 0..<m, width: m))
      }
      localSum += Double(
        softmaxGradientRow(
          pRow + m, dRow + m, lse, delta, seen: input.seen(by: t, in: rows.queries),
          width: visible.count))
    }
    guard let s = input.gate(head, rows) else { return 0 }
    return Double(1 - s) * memorySum - Double(s) * localSum
  }

  /// dk, dv += the tiles' buffers, heads and shares in order.
  func reduce(_ buffers: Floats, dk: MutableFloats, dv: MutableFloats, workers: Workers) {
    let (size, group) = (shape.headSize, shape.group)
    let extents = (0..<shares).map { extent(share: $0) }
    workers.forRanges(input.tokens, grain: 64) { range in
      for kv in 0..<shape.keyValueHeads {
        for tile in kv * group * shares..<(kv + 1) * group * shares {
          let from = buffers + tile * bufferSize
          let fromV = from + input.tokens * size
          for t in range where t < extents[tile % shares] {
            let toK = dk + t * shape.keyStride + kv * size
            let toV = dv + t * shape.valueStride + kv * size
            @inline(__always) func step(_ i: Int, _ n: Int) {
              store(toK + i, load(toK + i, n) + load(from + t * size + i, n), n)
              store(toV + i, load(toV + i, n) + load(fromV + t * size + i, n), n)
            }
            eachVector(size, step)
          }
        }
      }
    }
  }
}

/// l -> p = exp(l - lse) and dp -> dl = p (dp - delta) over `seen`, zero elsewhere in 0..<width;
/// returned: sum(dl l), for the gate.
private func softmaxGradientRow(
  _ whole: MutableFloats, _ dWhole: MutableFloats, _ lse: Float, _ delta: Float, seen: Range<Int>,
  width: Int
) -> Float {
  let (p, dl) = (whole + seen.lowerBound, dWhole + seen.lowerBound)
  var sums = SIMD16<Float>.zero
  @inline(__always) func step(_ i: Int, _ n: Int) {
    let l = load(p + i, n)
    let e = ml_exp(l - lse)
    let d = e * (load(dl + i, n) - delta)
    store(p + i, e, n)
    store(dl + i, d, n)
    sums = ml_madd(ml_first(d, n), l, sums)
  }
  eachVector(seen.count, step)
  whole.update(repeating: 0, count: seen.lowerBound)
  dWhole.update(repeating: 0, count: seen.lowerBound)
  (p + seen.count).update(repeating: 0, count: width - seen.upperBound)
  (dl + seen.count).update(repeating: 0, count: width - seen.upperBound)
  return ml_sum(sums)
}
