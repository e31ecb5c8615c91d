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
