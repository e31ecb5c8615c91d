import Kernels

extension DecoderPass {
  /// Carries the residual's gradient from the last layer to the lowest trained one.
  func layersBackward(_ g: GradientBuffers) {
    let count = tokens.count
    for index in stride(from: configuration.layerCount - 1, through: lowest, by: -1) {
      let layer = decoder.layers[index]
      let a = activations(of: index)
      // Below the lowest trained layer nothing wants a gradient, but a trained embedding does.
      let reachesInput = index > lowest || decoder.trainedEmbedding?.isTrained == true
      mlpBackward(layer, a, g, count)
      attentionBackward(layer, a, g, count, reachesInput: reachesInput)
    }
  }

  // x = middle + Wdown (act(gate) · up); the residual's gradient becomes middle's.
  private func mlpBackward(
    _ layer: DecoderLayer, _ a: Activations, _ g: GradientBuffers, _ count: Int
  ) {
    let c = configuration
    let workers = compute.workers
    if layer.down.isTrained {
      gatedForward(
        c.activation, activated.pointer, gate: a.gate.floats, up: a.up.floats,
        count: count * c.intermediateSize, workers: workers)
    }
    layer.down.backward(
      g.activation.pointer, g.residual.floats, activated.floats, tokens: count, accumulate: false,
      state: adapters)
    gatedBackward(
      c.activation, dGate: g.gate.pointer, dUp: g.up.pointer, dOut: g.activation.floats,
      gate: a.gate.floats, up: a.up.floats, count: count * c.intermediateSize, workers: workers)
    layer.gate.backward(
      g.normed.pointer, g.gate.floats, a.normedMiddle.floats, tokens: count, accumulate: false,
      state: adapters)
    layer.up.backward(
      g.normed.pointer, g.up.floats, a.normedMiddle.floats, tokens: count, accumulate: true,
      state: adapters)
    rmsNormBackward(
      g.residual.pointer, layer.postNorm.gradient?.pointer, g.normed.floats, a.middle.floats,
      layer.postNorm.value.floats, inverseRMS: a.middleInverse.floats, tokens: count,
      width: c.hiddenSize, offset: c.normOffset, workers: workers)
  }

  // middle = x + Wo attention(…); middle's gradient becomes x's.
  private func attentionBackward(
    _ layer: DecoderLayer, _ a: Activations, _ g: GradientBuffers, _ count: Int,
    reachesInput: Bool
  ) {
    let c = configuration
    let workers = compute.workers
    layer.output.backward(
      g.attention.pointer, g.residual.floats, a.attention.floats, tokens: count,
      accumulate: false, state: adapters)
    coreBackward(layer, a, g, count)
    let normed = a.normedInput.floats
    let dNormed = reachesInput || layer.inputNorm.isTrained ? g.normed.pointer : nil
    layer.query.backward(
      dNormed, g.query.floats, normed, tokens: count, accumulate: false, state: adapters)
    layer.key.backward(
      dNormed, g.key.floats, normed, tokens: count, accumulate: true, state: adapters)
    layer.value.backward(
      dNormed, g.value.floats, normed, tokens: count, accumulate: true, state: adapters)
    guard dNormed != nil else { return }
    rmsNormBackward(
      g.residual.pointer, layer.inputNorm.gradient?.pointer, g.normed.floats, a.input.floats,
      layer.inputNorm.value.floats, inverseRMS: a.inputInverse.floats, tokens: count,
      width: c.hiddenSize, offset: c.normOffset, workers: workers)
  }

  /// Gradients of the unrotated query, key and value from the attention output's.
  private func coreBackward(
    _ layer: DecoderLayer, _ a: Activations, _ g: GradientBuffers, _ count: Int
  ) {
    let c = configuration
    let workers = compute.workers
    fill(g.query.pointer, 0, count: count * c.queryWidth, workers: workers)
    fill(g.key.pointer, 0, count: count * c.keyValueWidth, workers: workers)
    fill(g.value.pointer, 0, count: count * c.keyValueWidth, workers: workers)
    // Of the keys before the segment only unrotated ones are kept: all layers' would be as many again.
    let local = cache?.contents(of: layer.index, count: cached + count)
    if let local { rotateLocal(local.keys, heads: c.keyValueHeads, cached + count, inverse: false) }
    var gateGradient = [Double](repeating: 0, count: c.queryHeads)
    gateGradient.withUnsafeMutableBufferPointer { gates in
      Kernels.attentionBackward(
        dq: g.query.pointer, dk: g.key.pointer, dv: g.value.pointer,
        dGates: layer.retrievalGate?.isTrained == true ? gates.baseAddress : nil,
        dOut: g.attention.floats, out: a.attention.floats, logSumExp: a.logSumExp.floats,
        q: a.query.floats, k: local.map { Floats($0.keys) } ?? a.key.floats,
        v: local?.values ?? a.value.floats, tokens: count, cached: cached, shape: attentionShape,
        blocks: blocks(of: layer, count: count), gates: layer.retrievalGate?.value.floats,
        window: c.window(layer: layer.index), workers: workers, scratch: compute.scratch)
    }
    if let gradient = layer.retrievalGate?.gradient {
      for head in 0..<c.queryHeads { gradient.pointer[head] += Float(gateGradient[head]) }
    }
    rotateLocal(g.query.pointer, heads: c.queryHeads, count, from: cached, inverse: true)
    rotateLocal(g.key.pointer, heads: c.keyValueHeads, count, from: cached, inverse: true)
  }
}
