import CKernels

/// Calls body(i, lanes) for i = 0, 16, … with lanes = 16, and once with fewer for the tail.
/// Inlined with `lanes` known, so that `load` and `store` become single instructions.
@inline(__always)
func eachVector(_ count: Int, _ body: (_ i: Int, _ lanes: Int) -> Void) {
  var i = 0
  while i + 16 <= count {
    body(i, 16)
    i += 16
  }
  if i < count { body(i, count - i) }
}

/// The first `lanes` floats at p; the other lanes are zero.
@inline(__always)
func load(_ p: Floats, _ lanes: Int) -> SIMD16<Float> { ml_load_first(p, lanes) }

@inline(__always)
func load(_ p: MutableFloats, _ lanes: Int) -> SIMD16<Float> { ml_load_first(p, lanes) }

/// Writes the first `lanes` of v.
@inline(__always)
func store(_ p: MutableFloats, _ v: SIMD16<Float>, _ lanes: Int) { ml_store_first(p, v, lanes) }

/// The inner product in f32, in an order that depends on `count` alone: four chains of sums.
func dot(_ a: Floats, _ b: Floats, _ count: Int) -> Float {
  var (s, t, u, v) = (
    SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero
  )
  var i = 0
  while i + 64 <= count {
    s = ml_madd(ml_load(a + i), ml_load(b + i), s)
    t = ml_madd(ml_load(a + i + 16), ml_load(b + i + 16), t)
    u = ml_madd(ml_load(a + i + 32), ml_load(b + i + 32), u)
    v = ml_madd(ml_load(a + i + 48), ml_load(b + i + 48), v)
    i += 64
  }
  let (c, d) = (a + i, b + i)
  @inline(__always) func step(_ i: Int, _ n: Int) { s = ml_madd(load(c + i, n), load(d + i, n), s) }
  eachVector(count - i, step)
  return ml_sum((s + t) + (u + v))
}

/// The sum of squares: f32 within runs of 256, Double across them, in order.
public func squaredNorm(_ x: Floats, count: Int) -> Double {
  var total = 0.0
  for first in stride(from: 0, to: count, by: 256) {
    total += Double(dot(x + first, x + first, min(256, count - first)))
  }
  return total
}

/// y += a x
public func addScaled(_ y: MutableFloats, _ x: Floats, _ a: Float, count: Int, workers: Workers) {
  let factor = SIMD16<Float>(repeating: a)
  workers.forRanges(count, grain: elementGrain) { range in
    let (to, from) = (y + range.lowerBound, x + range.lowerBound)
    @inline(__always) func step(_ i: Int, _ n: Int) {
      store(to + i, ml_madd(load(from + i, n), factor, load(to + i, n)), n)
    }
    eachVector(range.count, step)
  }
}

/// x *= a, on the calling thread.
func scaleRow(_ x: MutableFloats, _ a: Float, _ count: Int) {
  let factor = SIMD16<Float>(repeating: a)
  @inline(__always) func step(_ i: Int, _ n: Int) { store(x + i, load(x + i, n) * factor, n) }
  eachVector(count, step)
}

/// x *= a
public func scale(_ x: MutableFloats, _ a: Float, count: Int, workers: Workers) {
  workers.forRanges(count, grain: elementGrain) { range in
    scaleRow(x + range.lowerBound, a, range.count)
  }
}

/// x = a
public func fill(_ x: MutableFloats, _ a: Float, count: Int, workers: Workers) {
  workers.forRanges(count, grain: elementGrain) { range in
    (x + range.lowerBound).update(repeating: a, count: range.count)
  }
}
