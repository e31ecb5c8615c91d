import CKernels

/// Rows of a normalisation's tile.
private let normRows = 32

/// out[T,W] = weight * (x * r), r = 1 / sqrt(mean(x^2) + epsilon) of each row, kept in inverseRMS[T].
public func rmsNormForward(
  _ out: MutableFloats, inverseRMS: MutableFloats, _ x: Floats, _ weight: Floats, tokens: Int,
  width: Int, epsilon: Float, workers: Workers
) {
  workers.forRanges(tokens, grain: normRows) { rows in
    for t in rows {
      let (row, to) = (x + t * width, out + t * width)
      let r = 1 / (dot(row, row, width) / Float(width) + epsilon).squareRoot()
      inverseRMS[t] = r
      let scale = SIMD16<Float>(repeating: r)
      eachVector(width) { i, n in
        store(to + i, load(weight + i, n) * (load(row + i, n) * scale), n)
      }
    }
  }
}

/// dx += r (w dOut) - x r^3 / W sum(w dOut x), row by row, and dWeight += the sum over rows of
/// dOut x r (nil: not wanted), reduced tile by tile in order: the gradients of `rmsNormForward`.
public func rmsNormBackward(
  _ dx: MutableFloats, _ dWeight: MutableFloats?, _ dOut: Floats, _ x: Floats, _ weight: Floats,
  inverseRMS: Floats, tokens: Int, width: Int, workers: Workers
) {
  let tiles = (tokens + normRows - 1) / normRows
  let partial = MutableFloats.allocate(capacity: dWeight == nil ? 1 : tiles * width)
  defer { partial.deallocate() }
  workers.forEach(tiles: tiles) { tile, _ in
    let sums = dWeight == nil ? nil : partial + tile * width
    sums?.update(repeating: 0, count: width)
    for t in tile * normRows..<min(tokens, (tile + 1) * normRows) {
      rmsNormBackwardRow(
        dx + t * width, sums, dOut + t * width, x + t * width, weight, inverseRMS[t], width)
    }
  }
  guard let dWeight else { return }
  addColumnSums(dWeight, partial, tokens: tiles, width: width, workers: workers)
}

private func rmsNormBackwardRow(
  _ dx: MutableFloats, _ dWeight: MutableFloats?, _ dOut: Floats, _ x: Floats, _ weight: Floats,
  _ r: Float, _ width: Int
) {
  var projection = SIMD16<Float>.zero
  eachVector(width) { i, n in
    projection = ml_madd(load(weight + i, n) * load(dOut + i, n), load(x + i, n), projection)
  }
  let scale = SIMD16<Float>(repeating: r)
  let pull = SIMD16<Float>(repeating: -r * r * r * ml_sum(projection) / Float(width))
  eachVector(width) { i, n in
    let (d, v) = (load(dOut + i, n), load(x + i, n))
    let own = ml_madd(load(weight + i, n) * d, scale, load(dx + i, n))
    store(dx + i, ml_madd(v, pull, own), n)
    if let dWeight { store(dWeight + i, ml_madd(d * scale, v, load(dWeight + i, n)), n) }
  }
}

/// out[T,W] = (x - mean) / sqrt(variance + epsilon) * weight + bias, row by row. In place is fine.
public func layerNormForward(
  _ out: MutableFloats, _ x: Floats, _ weight: Floats, _ bias: Floats, tokens: Int, width: Int,
  epsilon: Float, workers: Workers
) {
  workers.forRanges(tokens, grain: normRows) { rows in
    for t in rows {
      let (row, to) = (x + t * width, out + t * width)
      var sums = SIMD16<Float>.zero
      eachVector(width) { i, n in sums += load(row + i, n) }
      let mean = ml_sum(sums) / Float(width)
      var squares = SIMD16<Float>.zero
      eachVector(width) { i, n in
        var d = load(row + i, n) - mean
        if n < 16 { d = ml_clear_after(d, n) }
        squares = ml_madd(d, d, squares)
      }
      let r = 1 / (ml_sum(squares) / Float(width) + epsilon).squareRoot()
      eachVector(width) { i, n in
        store(to + i, ml_madd((load(row + i, n) - mean) * r, load(weight + i, n), load(bias + i, n)), n)
      }
    }
  }
}
