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

/// The inner product in f32, in an order that depends on `count` alone.
func dot(_ a: Floats, _ b: Floats, _ count: Int) -> Float {
  var sums = SIMD16<Float>.zero
  eachVector(count) { i, n in sums = ml_madd(load(a + i, n), load(b + i, n), sums) }
  return ml_sum(sums)
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
    eachVector(range.count) { i, n in
      store(to + i, ml_madd(load(from + i, n), factor, load(to + i, n)), n)
    }
  }
}

/// x *= a
public func scale(_ x: MutableFloats, _ a: Float, count: Int, workers: Workers) {
  workers.forRanges(count, grain: elementGrain) { range in
    for i in range { x[i] *= a }
  }
}

/// x = a
public func fill(_ x: MutableFloats, _ a: Float, count: Int) { x.update(repeating: a, count: count) }

/// scores[rows] = keys[rows, dimension] · query. Each score is one f32 sum in a fixed order: it
/// depends on its key and the query alone, not on the other rows, nor on threads.
public func dotRows(
  _ scores: MutableFloats, keys: Floats, query: Floats, rows: Int, dimension: Int, workers: Workers
) {
  innerProducts(
    scores, keys: keys, queries: query, rows: rows, queryCount: 1, dimension: dimension,
    workers: workers)
}

/// scores[queryCount, rows] = queries[queryCount, dimension] · keys[rows, dimension]^T, each score
/// exactly as `dotRows` has it.
public func innerProducts(
  _ scores: MutableFloats, keys: Floats, queries: Floats, rows: Int, queryCount: Int,
  dimension: Int, workers: Workers
) {
  workers.forRanges(rows, grain: 256) { range in
    for q in 0..<queryCount {
      for row in range {
        scores[q * rows + row] = dot(keys + row * dimension, queries + q * dimension, dimension)
      }
    }
  }
}
