import CKernels

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
  let whole = queryCount / 4 * 4
  // copies pay where every key meets some queries
  let packed = whole >= 8 ? PackedRows(queries, rows: whole, dimension: dimension) : nil
  workers.forRanges(rows, grain: packed == nil ? 256 : 64) { range in
    let own = keys + range.lowerBound * dimension
    let to = scores + range.lowerBound
    var done = 0
    if let packed {
      done = range.count / 4 * 4
      packed.multiply(PackedRows(own, rows: done, dimension: dimension), to: to, stride: rows)
    }
    func rest(_ keys: Range<Int>, _ queriesFrom: Int) {
      innerProducts(
        to + keys.lowerBound, stride: rows, keys: own + keys.lowerBound * dimension,
        keyCount: keys.count, queries: queries, queries: queriesFrom..<queryCount,
        dimension: dimension)
    }
    rest(0..<done, whole)
    rest(done..<range.count, 0)
  }
}

/// Scores of `keyCount` keys and some of the queries; rows of `scores` lie `stride` apart.
private func innerProducts(
  _ scores: MutableFloats, stride: Int, keys: Floats, keyCount: Int, queries: Floats,
  queries range: Range<Int>, dimension d: Int
) {
  var key = 0
  while key < keyCount {
    let count = keyCount - key < 4 ? 1 : 4
    for q in range {
      let (to, at, query) = (scores + q * stride + key, keys + key * d, queries + q * d)
      if count == 4 {
        ml_inner_products(to, stride, at, query, d, 4, 1)
      } else {
        ml_inner_products(to, stride, at, query, d, 1, 1)
      }
    }
    key += count
  }
}

/// Rows on 64-byte boundaries, padded with zeros to a multiple of 16 floats, for full-width loads that
/// cross no cache line.
private final class PackedRows: @unchecked Sendable {
  private let base: MutableFloats
  private let rows: Int
  private let width: Int

  init(_ source: Floats, rows: Int, dimension: Int) {
    self.rows = rows
    width = (dimension + 15) / 16 * 16
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: rows * width * 4 + 64, alignment: 64)
    base = bytes.assumingMemoryBound(to: Float.self)
    for row in 0..<rows {
      (base + row * width).update(from: source + row * dimension, count: dimension)
      (base + row * width + dimension).update(repeating: 0, count: width - dimension)
    }
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  /// scores[self, keys], its rows `stride` apart; both have rows in fours. Sixteen queries at a time
  /// stay in the innermost cache while the keys pass.
  func multiply(_ keys: PackedRows, to scores: MutableFloats, stride: Int) {
    for first in Swift.stride(from: 0, to: rows, by: 16) {
      for key in Swift.stride(from: 0, to: keys.rows, by: 4) {
        for query in Swift.stride(from: first, to: min(first + 16, rows), by: 4) {
          ml_inner_tile(
            scores + query * stride + key, stride, keys.base + key * width,
            base + query * width, width)
        }
      }
    }
  }
}
