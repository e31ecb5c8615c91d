import CKernels

/// Rows of a normalisation's tile.
let normRows = 32

/// out[T,W] = (weight + offset) * (x * r), r = 1 / sqrt(mean(x^2) + epsilon) of each row, kept in
/// inverseRMS[T]. The offset is 1 where a model stores the weight's distance from it (Gemma).
public func rmsNormForward(
  _ out: MutableFloats, inverseRMS: MutableFloats, _ x: Floats, _ weight: Floats, tokens: Int,
  width: Int, epsilon: Float, offset: Float = 0, workers: Workers
) {
  workers.forRanges(tokens, grain: normRows) { rows in
    for t in rows {
      let (row, to) = (x + t * width, out + t * width)
      let r = 1 / (dot(row, row, width) / Float(width) + epsilon).squareRoot()
      inverseRMS[t] = r
      let scale = SIMD16<Float>(repeating: r)
      @inline(__always) func step(_ i: Int, _ n: Int) {
        store(to + i, (load(weight + i, n) + offset) * (load(row + i, n) * scale), n)
      }
      eachVector(width, step)
    }
  }
}

/// dx += r (w dOut) - x r^3 / W sum(w dOut x), w = weight + offset, row by row, and dWeight += the
/// sum over rows of dOut x r (nil: not wanted), reduced tile by tile in order: the gradients of
/// `rmsNormForward`.
public func rmsNormBackward(
  _ dx: MutableFloats, _ dWeight: MutableFloats?, _ dOut: Floats, _ x: Floats, _ weight: Floats,
  inverseRMS: Floats, tokens: Int, width: Int, offset: Float = 0, workers: Workers
) {
  let tiles = (tokens + normRows - 1) / normRows
  let partial = MutableFloats.allocate(capacity: dWeight == nil ? 1 : tiles * width)
  defer { partial.deallocate() }
  workers.forEach(tiles: tiles) { tile, _ in
    let sums = dWeight == nil ? nil : partial + tile * width
    sums?.update(repeating: 0, count: width)
    for t in tile * normRows..<min(tokens, (tile + 1) * normRows) {
      rmsNormBackwardRow(
        dx + t * width, sums, dOut + t * width, x + t * width, weight, offset, inverseRMS[t], width)
    }
  }
  guard let dWeight else { return }
  addColumnSums(dWeight, partial, tokens: tiles, width: width, workers: workers)
}

private func rmsNormBackwardRow(
  _ dx: MutableFloats, _ dWeight: MutableFloats?, _ dOut: Floats, _ x: Floats, _ weight: Floats,
  _ offset: Float, _ r: Float, _ width: Int
) {
  var sums = SIMD16<Float>.zero
  @inline(__always) func project(_ i: Int, _ n: Int) {
    sums = ml_madd((load(weight + i, n) + offset) * load(dOut + i, n), load(x + i, n), sums)
  }
  eachVector(width, project)
  let scale = SIMD16<Float>(repeating: r)
  let pull = SIMD16<Float>(repeating: -r * r * r * ml_sum(sums) / Float(width))
  @inline(__always) func addInput(_ i: Int, _ n: Int) {
    let weighted = (load(weight + i, n) + offset) * load(dOut + i, n)
    let own = ml_madd(weighted, scale, load(dx + i, n))
    store(dx + i, ml_madd(load(x + i, n), pull, own), n)
  }
  eachVector(width, addInput)
  guard let dWeight else { return }
  @inline(__always) func addWeight(_ i: Int, _ n: Int) {
    let own = ml_madd(load(dOut + i, n) * scale, load(x + i, n), load(dWeight + i, n))
    store(dWeight + i, own, n)
  }
  eachVector(width, addWeight)
}
