import Kernels

extension DecoderPass {
  var attentionShape: AttentionShape {
    AttentionShape(
      queryHeads: configuration.queryHeads, keyValueHeads: configuration.keyValueHeads,
      headSize: configuration.headSize)
  }

  // middle = x + Wo · attention(rope(Wq n), rope(Wk n), Wv n), n = rmsnorm(x)
  func attentionForward(_ layer: DecoderLayer, _ a: Activations, _ count: Int) {
    let c = configuration
    rmsNormForward(
      a.normedInput.pointer, inverseRMS: a.inputInverse.pointer, residual.floats,
      layer.inputNorm.value.floats, tokens: count, width: c.hiddenSize, epsilon: c.normEpsilon,
      offset: c.normOffset, workers: compute.workers)
    let normed = a.normedInput.floats
    Linear.forward(
      [(layer.query, a.query.pointer), (layer.key, a.key.pointer), (layer.value, a.value.pointer)],
      normed, tokens: count, state: adapters)
    capture(layer, a, count)
    let local = cache?.append(a.key.floats, a.value.floats, count: count, layer: layer.index)
    let keys = local?.keys ?? a.key.pointer
    rotateLocal(a.query.pointer, heads: c.queryHeads, count, from: cached, inverse: false)
    rotateLocal(keys, heads: c.keyValueHeads, cached + count, inverse: false)
    Kernels.attentionForward(
      a.attention.pointer, logSumExp: a.logSumExp.pointer, q: a.query.floats, k: Floats(keys),
      v: local?.values ?? a.value.floats, tokens: count, cached: cached, shape: attentionShape,
      blocks: blocks(of: layer, count: count), gates: layer.retrievalGate?.value.floats,
      window: c.window(layer: layer.index),
      workers: compute.workers, scratch: compute.scratch)
    layer.output.forward(a.middle.pointer, a.attention.floats, tokens: count, state: adapters)
    addScaled(
      a.middle.pointer, residual.floats, 1, count: count * c.hiddenSize, workers: compute.workers)
  }

  /// Rotates tokens that begin `offset` after the first local position.
  func rotateLocal(
    _ x: MutableFloats, heads: Int, _ count: Int, from offset: Int = 0, inverse: Bool
  ) {
    let size = configuration.headSize
    rotate(
      x, tokens: count, heads: heads, headSize: size, stride: heads * size, table: localTable,
      firstPosition: localTable.positions.lowerBound + offset, inverse: inverse,
      workers: compute.workers)
  }

  // x = middle + Wdown (act(Wgate n) · Wup n), n = rmsnorm(middle)
  func mlpForward(_ layer: DecoderLayer, _ a: Activations, _ count: Int) {
    let c = configuration
    rmsNormForward(
      a.normedMiddle.pointer, inverseRMS: a.middleInverse.pointer, a.middle.floats,
      layer.postNorm.value.floats, tokens: count, width: c.hiddenSize, epsilon: c.normEpsilon,
      offset: c.normOffset, workers: compute.workers)
    let normed = a.normedMiddle.floats
    Linear.forward(
      [(layer.gate, a.gate.pointer), (layer.up, a.up.pointer)], normed, tokens: count,
      state: adapters)
    gatedForward(
      c.activation, activated.pointer, gate: a.gate.floats, up: a.up.floats,
      count: count * c.intermediateSize, workers: compute.workers)
    layer.down.forward(residual.pointer, activated.floats, tokens: count, state: adapters)
    addScaled(
      residual.pointer, a.middle.floats, 1, count: count * c.hiddenSize, workers: compute.workers)
  }
}
