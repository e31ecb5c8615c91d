import Kernels

extension DecoderPass {
  /// Rows of logits computed at a time: 50 MB of them at a vocabulary of 49152.
  static let headRows = 256

  /// The negative log-likelihood in nats of every scored target, in order of position.
  ///
  /// Positions whose target is −1 cost nothing.
  public func losses(_ targets: [Int32]) -> [Double] {
    var result: [Double] = []
    eachHeadPanel(targets) { panel in result += panel.losses(gradientScale: nil) }
    return result
  }

  /// The logits of `positions`, one row of vocabulary size each.
  public func logits(_ positions: [Int]) -> [[Float]] {
    var result: [[Float]] = []
    for start in stride(from: 0, to: positions.count, by: Self.headRows) {
      let rows = Array(positions[start..<min(start + Self.headRows, positions.count)])
      let panel = HeadPanel(self, rows: rows, targets: [])
      let width = configuration.vocabularySize
      for row in rows.indices {
        result.append(
          Array(UnsafeBufferPointer(start: panel.logits.floats + row * width, count: width)))
      }
    }
    return result
  }

  /// Adds d(scale · Σ nll)/dθ to the gradient of every trained parameter.
  ///
  /// - Returns: Σ nll over the scored targets, in nats.
  public func backward(_ targets: [Int32], scale: Float) -> Double {
    guard let gradients else { preconditionFailure("a pass made for evaluation") }
    fill(
      gradients.residual.pointer, 0, count: tokens.count * configuration.hiddenSize,
      workers: compute.workers)
    var sum = 0.0
    eachHeadPanel(targets) { panel in
      sum += panel.losses(gradientScale: scale).reduce(0, +)
      panel.backward(into: gradients.residual)
    }
    layersBackward(gradients)
    embeddingBackward(gradients.residual)
    return sum
  }

  private func embeddingBackward(_ residual: FloatBuffer) {
    guard let gradient = decoder.trainedEmbedding?.gradient else { return }
    let width = configuration.hiddenSize
    if configuration.embeddingScale != 1 {
      Kernels.scale(
        residual.pointer, configuration.embeddingScale, count: tokens.count * width,
        workers: compute.workers)
    }
    for (position, token) in tokens.enumerated() where Int(token) == configuration.paddingToken {
      (residual.pointer + position * width).update(repeating: 0, count: width)
    }
    scatterAddRows(
      gradient.pointer, residual.floats, ids: tokens, count: tokens.count, width: width,
      workers: compute.workers)
  }

  private func eachHeadPanel(_ targets: [Int32], _ body: (HeadPanel) -> Void) {
    precondition(targets.count == tokens.count)
    let scored = targets.indices.filter { targets[$0] >= 0 }
    for start in stride(from: 0, to: scored.count, by: Self.headRows) {
      let rows = Array(scored[start..<min(start + Self.headRows, scored.count)])
      body(HeadPanel(self, rows: rows, targets: rows.map { targets[$0] }))
    }
  }
}

/// The final norm and the output head over some positions of a segment.
private struct HeadPanel {
  let pass: DecoderPass
  let rows: [Int]
  let targets: [Int32]
  let hidden: FloatBuffer  // (n, d)
  let inverse: FloatBuffer  // (n)
  let normed: FloatBuffer  // (n, d)
  let logits: FloatBuffer  // (n, V)

  private var width: Int { pass.configuration.hiddenSize }
  private var vocabulary: Int { pass.configuration.vocabularySize }

  init(_ pass: DecoderPass, rows: [Int], targets: [Int32]) {
    self.pass = pass
    self.rows = rows
    self.targets = targets
    let c = pass.configuration
    let count = rows.count
    hidden = FloatBuffer(count: count * c.hiddenSize)
    inverse = FloatBuffer(count: count)
    normed = FloatBuffer(count: count * c.hiddenSize)
    logits = pass.headLogits(count: count * c.vocabularySize)
    for (index, row) in rows.enumerated() {
      (hidden.pointer + index * c.hiddenSize).update(
        from: pass.residual.floats + row * c.hiddenSize, count: c.hiddenSize)
    }
    rmsNormForward(
      normed.pointer, inverseRMS: inverse.pointer, hidden.floats,
      pass.decoder.finalNorm.value.floats, tokens: count, width: c.hiddenSize,
      epsilon: c.normEpsilon, offset: c.normOffset, workers: pass.compute.workers)
    linearForward(
      logits.pointer, normed.floats, pass.decoder.head, tokens: count, bias: nil,
      accumulate: false, precision: pass.compute.products, workers: pass.compute.workers,
      scratch: pass.compute.scratch)
  }

  /// The rows' losses; with a scale the logits become their gradient.
  func losses(gradientScale: Float?) -> [Double] {
    var losses = [Double](repeating: 0, count: rows.count)
    losses.withUnsafeMutableBufferPointer { target in
      guard let base = target.baseAddress else { return }
      crossEntropy(
        logits: logits.pointer, targets: targets, losses: base, scale: gradientScale,
        tokens: rows.count, vocabulary: vocabulary, workers: pass.compute.workers)
    }
    return losses
  }

  /// Adds this panel's part to the gradient of the residual stream, (T, d).
  func backward(into residual: FloatBuffer) {
    let count = rows.count
    let dNormed = FloatBuffer(count: count * width)
    linearBackwardInput(
      dNormed.pointer, logits.floats, pass.decoder.head, tokens: count, accumulate: false,
      precision: pass.compute.products, workers: pass.compute.workers,
      scratch: pass.compute.scratch)
    let dHidden = FloatBuffer(count: count * width)
    let norm = pass.decoder.finalNorm
    rmsNormBackward(
      dHidden.pointer, norm.gradient?.pointer, dNormed.floats, hidden.floats, norm.value.floats,
      inverseRMS: inverse.floats, tokens: count, width: width,
      offset: pass.configuration.normOffset, workers: pass.compute.workers)
    for (index, row) in rows.enumerated() {
      addScaled(
        residual.pointer + row * width, dHidden.floats + index * width, 1, count: width,
        workers: pass.compute.workers)
    }
  }
}
