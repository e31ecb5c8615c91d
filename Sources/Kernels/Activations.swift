import CKernels

/// x = x Phi(x), Phi the normal distribution function (the erf form), in place.
public func geluForward(_ x: MutableFloats, count: Int, workers: Workers) {
  workers.forRanges(count, grain: elementGrain) { range in
    let p = x + range.lowerBound
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let v = load(p + i, n)
      store(p + i, v * 0.5 * (1 + ml_erf(v * 0.707_106_77)), n)
    }
    eachVector(range.count, step)
  }
}

/// out = silu(gate) up, silu(g) = g / (1 + e^-g)
public func swiGLUForward(
  _ out: MutableFloats, gate: Floats, up: Floats, count: Int, workers: Workers
) {
  workers.forRanges(count, grain: elementGrain) { range in
    let (o, g, u) = (out + range.lowerBound, gate + range.lowerBound, up + range.lowerBound)
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let v = load(g + i, n)
      store(o + i, v * ml_sigmoid(v) * load(u + i, n), n)
    }
    eachVector(range.count, step)
  }
}

/// dGate = dOut up s (1 + g (1 - s)), dUp = dOut g s, s = sigmoid(g): written, not added.
/// dGate may be gate itself and dUp up.
public func swiGLUBackward(
  dGate: MutableFloats, dUp: MutableFloats, dOut: Floats, gate: Floats, up: Floats, count: Int,
  workers: Workers
) {
  workers.forRanges(count, grain: elementGrain) { range in
    let first = range.lowerBound
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let g = load(gate + first + i, n)
      let u = load(up + first + i, n)
      let d = load(dOut + first + i, n)
      let s = ml_sigmoid(g)
      store(dUp + first + i, d * g * s, n)
      store(dGate + first + i, d * u * s * (1 + g * (1 - s)), n)
    }
    eachVector(range.count, step)
  }
}

/// What a gated MLP bends its gate with.
public enum GateActivation: Sendable, Equatable {
  /// x / (1 + e^-x)
  case silu
  /// x Phi(x), Phi the normal distribution function.
  case gelu
  /// x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3): 0.5 x (1 + tanh u) (arXiv 1606.08415 §2).
  case tanhGELU
}

/// out = activation(gate) up
public func gatedForward(
  _ activation: GateActivation, _ out: MutableFloats, gate: Floats, up: Floats, count: Int,
  workers: Workers
) {
  guard activation != .silu else {
    swiGLUForward(out, gate: gate, up: up, count: count, workers: workers)
    return
  }
  let isErf = activation == .gelu
  workers.forRanges(count, grain: elementGrain) { range in
    let (o, g, u) = (out + range.lowerBound, gate + range.lowerBound, up + range.lowerBound)
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let v = load(g + i, n)
      store(o + i, v * (isErf ? normalShare(v) : tanhShare(v)) * load(u + i, n), n)
    }
    eachVector(range.count, step)
  }
}

/// dGate = dOut up activation'(gate), dUp = dOut activation(gate): written, not added. dGate may be
/// gate itself and dUp up.
public func gatedBackward(
  _ activation: GateActivation, dGate: MutableFloats, dUp: MutableFloats, dOut: Floats,
  gate: Floats, up: Floats, count: Int, workers: Workers
) {
  guard activation != .silu else {
    swiGLUBackward(
      dGate: dGate, dUp: dUp, dOut: dOut, gate: gate, up: up, count: count, workers: workers)
    return
  }
  let isErf = activation == .gelu
  workers.forRanges(count, grain: elementGrain) { range in
    let first = range.lowerBound
    @inline(__always) func step(_ i: Int, _ n: Int) {
      let g = load(gate + first + i, n)
      let u = load(up + first + i, n)
      let d = load(dOut + first + i, n)
      let share = isErf ? normalShare(g) : tanhShare(g)
      // The density e^(-g²/2) / sqrt(2π), or the share's own slope.
      let slope =
        isErf
        ? ml_exp(-0.5 * g * g) * 0.398_942_28
        : share * (1 - share) * (1.595_769_1 + 0.214_064_45 * g * g)
      store(dUp + first + i, d * g * share, n)
      store(dGate + first + i, d * u * (share + g * slope), n)
    }
    eachVector(range.count, step)
  }
}

@inline(__always)
private func normalShare(_ x: SIMD16<Float>) -> SIMD16<Float> {
  0.5 * (1 + ml_erf(x * 0.707_106_77))
}

/// The factors are 2 sqrt(2 / pi) and 0.044715 times that.
@inline(__always)
private func tanhShare(_ x: SIMD16<Float>) -> SIMD16<Float> {
  ml_sigmoid(x * (1.595_769_1 + 0.071_354_82 * x * x))
}
