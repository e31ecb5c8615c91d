import Kernels

/// One linear layer y = x Wᵀ (+ bias) with a frozen weight [out, in] and an optional adapter.
public final class Linear: @unchecked Sendable {
  /// The path of the module that it is, or is a part of, such as `model.layers.3.self_attn.q_proj`.
  public let name: String
  /// Number of outputs.
  public let rows: Int
  /// Number of inputs.
  public let columns: Int
  private let weight: any RowPanels
  /// The weight in memory where it was expanded, so that an adapter can be merged into it.
  private let dense: FloatBuffer?
  private let bias: FloatBuffer?
  /// The module's adapter, or its part for these outputs.
  var adapter: LoRA?
  /// Adapters below it that could not be merged into a weight that is stored narrow.
  private var foundation: [LoRA] = []

  private var adapters: [LoRA] {
    (foundation + (adapter.map { [$0] } ?? [])).filter { !$0.isIdle }
  }

  /// The module's weight as a parameter, or its part, once it is trained itself.
  var weightParameter: Parameter?

  var hasFoundation: Bool { !foundation.isEmpty }

  var isTrained: Bool {
    adapter?.isTrained == true || weightParameter?.isTrained == true
  }

  init(name: String, weight: any RowPanels, dense: FloatBuffer?, bias: FloatBuffer?) {
    self.name = name
    rows = weight.rows
    columns = weight.columns
    self.weight = weight
    self.dense = dense
    self.bias = bias
  }

  /// y[T, out] = x[T, in] Wᵀ + bias + α/r · (dropout(x) Aᵀ) Bᵀ.
  ///
  /// The adapter's state keeps dropout(x) Aᵀ [T, rank] for the backward pass.
  func forward(_ y: MutableFloats, _ x: Floats, tokens: Int, state: AdapterState) {
    Self.forward([(self, y)], x, tokens: tokens, state: state)
  }

  /// The same for several layers that read one input.
  static func forward(
    _ layers: [(layer: Linear, y: MutableFloats)], _ x: Floats, tokens: Int, state: AdapterState
  ) {
    let compute = state.compute
    linearForward(
      layers.map { LinearPart($0.y, $0.layer.weight, bias: $0.layer.bias?.floats) }, x,
      tokens: tokens, precision: compute.products, workers: compute.workers,
      scratch: compute.scratch)
    for (layer, y) in layers {
      for adapter in layer.adapters {
        let hidden = state.hidden(of: adapter, tokens: tokens)
        linearForward(
          hidden.pointer, state.dropped(x, count: tokens * layer.columns, by: adapter),
          adapter.aPanels, tokens: tokens, workers: compute.workers, scratch: compute.scratch)
        linearForward(
          y, hidden.floats, adapter.bPanels, tokens: tokens, accumulate: true,
          alpha: adapter.scale, workers: compute.workers, scratch: compute.scratch)
      }
    }
  }

  /// dx[T, in] (+)= dy[T, out] W and, through the adapter, into its gradients and dx.
  ///
  /// A nil `dx` leaves out the input's gradient; `x` is the input that `forward` saw.
  func backward(
    _ dx: MutableFloats?, _ dy: Floats, _ x: Floats, tokens: Int, accumulate: Bool,
    state: AdapterState
  ) {
    let compute = state.compute
    if let dx {
      linearBackwardInput(
        dx, dy, weight, tokens: tokens, accumulate: accumulate, precision: compute.products,
        workers: compute.workers, scratch: compute.scratch)
    }
    if let gradient = weightParameter?.gradient {
      linearBackwardWeight(
        gradient.pointer, dy, x, tokens: tokens, rows: rows, columns: columns,
        workers: compute.workers)
    }
    for adapter in adapters where adapter.isTrained || dx != nil {
      adapterBackward(adapter, dx, dy, x, tokens: tokens, state: state)
    }
  }

  // h = drop(x) Aᵀ, y += s h Bᵀ  ⇒  dB += s dyᵀ h, dh = s dy B, dA += dhᵀ drop(x), dx += drop(dh A)
  private func adapterBackward(
    _ adapter: LoRA, _ dx: MutableFloats?, _ dy: Floats, _ x: Floats, tokens: Int,
    state: AdapterState
  ) {
    let compute = state.compute
    let rank = adapter.rank
    let hidden = state.hidden(of: adapter, tokens: tokens)
    if let gradient = adapter.b.gradient {
      linearBackwardWeight(
        gradient.pointer, dy, hidden.floats, tokens: tokens, rows: rows, columns: rank,
        alpha: adapter.scale, workers: compute.workers)
    }
    let dHidden = state.buffer(.hiddenGradient, count: tokens * rank)
    linearBackwardInput(
      dHidden, dy, adapter.bPanels, tokens: tokens, accumulate: false, alpha: adapter.scale,
      workers: compute.workers, scratch: compute.scratch)
    if let gradient = adapter.a.gradient {
      linearBackwardWeight(
        gradient.pointer, Floats(dHidden), state.dropped(x, count: tokens * columns, by: adapter),
        tokens: tokens, rows: rank, columns: columns, workers: compute.workers)
    }
    guard let dx else { return }
    guard let key = state.dropoutKey(adapter) else {
      linearBackwardInput(
        dx, Floats(dHidden), adapter.aPanels, tokens: tokens, accumulate: true,
        workers: compute.workers, scratch: compute.scratch)
      return
    }
    let dDropped = state.buffer(.dropped, count: tokens * columns)
    linearBackwardInput(
      dDropped, Floats(dHidden), adapter.aPanels, tokens: tokens, accumulate: false,
      workers: compute.workers, scratch: compute.scratch)
    dropout(
      dx, Floats(dDropped), count: tokens * columns, rate: adapter.dropout, key: key, offset: 0,
      accumulate: true, workers: compute.workers)
  }

  /// W += α/r · B A where the weight is held as float32, else the adapter stays below the next one.
  func mergeAdapter(_ compute: Compute) {
    guard let adapter else { return }
    self.adapter = nil
    guard let dense else {
      // Part of the weight from here on: dropout is the next adapter's.
      foundation.append(
        LoRA(
          a: adapter.a, b: adapter.b, scale: adapter.scale, dropout: 0, identity: adapter.identity))
      return
    }
    // Rows of B play the tokens: W[out, in] += s · B[out, r] A[r, in].
    linearBackwardInput(
      dense.pointer, adapter.b.value.floats, adapter.aPanels, tokens: rows, accumulate: true,
      alpha: adapter.scale, workers: compute.workers, scratch: compute.scratch)
  }
}

/// What adapters need during one segment: dropout's key, kept hidden states, scratch.
final class AdapterState {
  enum Purpose: Hashable { case dropped, hiddenGradient }

  let compute: Compute
  /// Changes with every segment; nil while evaluating, when nothing is dropped.
  var dropoutSeed: UInt64?
  private var hidden: [ObjectIdentifier: FloatBuffer] = [:]
  private var buffers: [Purpose: FloatBuffer] = [:]

  init(_ compute: Compute) { self.compute = compute }

  func dropoutKey(_ adapter: LoRA) -> UInt64? {
    guard let dropoutSeed, adapter.dropout > 0 else { return nil }
    return dropoutSeed ^ (adapter.identity &* 0x9E37_79B9_7F4A_7C15)
  }

  func hidden(of adapter: LoRA, tokens: Int) -> FloatBuffer {
    let key = ObjectIdentifier(adapter)
    if let kept = hidden[key], kept.count >= tokens * adapter.rank { return kept }
    let fresh = FloatBuffer(count: tokens * adapter.rank)
    hidden[key] = fresh
    return fresh
  }

  func buffer(_ purpose: Purpose, count: Int) -> MutableFloats {
    if let kept = buffers[purpose], kept.count >= count { return kept.pointer }
    let fresh = FloatBuffer(count: count)
    buffers[purpose] = fresh
    return fresh.pointer
  }

  /// `x` with the adapter's dropout mask applied, or `x` itself when nothing is dropped.
  func dropped(_ x: Floats, count: Int, by adapter: LoRA) -> Floats {
    guard let key = dropoutKey(adapter) else { return x }
    let target = buffer(.dropped, count: count)
    dropout(
      target, x, count: count, rate: adapter.dropout, key: key, offset: 0,
      workers: compute.workers)
    return Floats(target)
  }
}
