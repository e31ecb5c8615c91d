import Kernels
import XCTest

/// A matrix that is stored "narrow": its panels must be copied out, and not past their rows.
private struct CopiedPanels: RowPanels {
  let values: [Float]
  let rows, columns: Int
  var isDense: Bool { false }

  func panel(_ rows: Range<Int>, scratch: MutableFloats?) -> Floats {
    for i in 0..<rows.count * columns { scratch![i] = values[rows.lowerBound * columns + i] }
    return Floats(scratch!)
  }
}

final class LinearTests: XCTestCase {
  func testAdviceWhereBLASDoesNotKnowTheProcessor() {
    XCTAssertEqual(
      adviceOnBLAS(kernels: "Prescott", vectorBits: 512),
      "OpenBLAS does not know this processor and takes its Prescott kernels: "
        + "OPENBLAS_CORETYPE=SkylakeX is several times faster")
    XCTAssertEqual(
      adviceOnBLAS(kernels: "Barcelona", vectorBits: 256)?.hasSuffix(
        "Haswell is several times faster"), true)
    XCTAssertNil(adviceOnBLAS(kernels: "Prescott", vectorBits: 128))
    XCTAssertNil(adviceOnBLAS(kernels: "Cooperlake", vectorBits: 512))
  }

  // T, N, K: odd, tiny, and larger than one tile each way.
  private let shapes = [
    (1, 1, 1), (7, 5, 3), (129, 70, 33), (1, 900, 64), (600, 40, 65), (130, 1600, 31),
    (1030, 96, 20),
  ]

  func testForward() {
    for (t, n, k) in shapes {
      var random = Random(UInt64(t + n))
      let (x, w, bias) = (random.floats(t * k), random.floats(n * k), random.floats(n))
      let product = referenceLinear(doubles(x), doubles(w), tokens: t, n: n, k: k)
      forBothStorages(w, n, k) { panels in
        var y = [Float](repeating: .nan, count: t * n)
        let scratch = Scratch(workers: two)
        linearForward(&y, x, panels, tokens: t, workers: two, scratch: scratch)
        assertClose(y, product, "T \(t) N \(n) K \(k)")
        linearForward(
          &y, x, panels, tokens: t, bias: bias, accumulate: true, alpha: -0.5, workers: two,
          scratch: scratch)
        assertClose(y, product.indices.map { product[$0] * 0.5 + Double(bias[$0 % n]) })
        linearForward(&y, x, panels, tokens: t, bias: bias, workers: two, scratch: scratch)
        assertClose(y, product.indices.map { product[$0] + Double(bias[$0 % n]) })
      }
    }
  }

  /// Outputs of one input made together have the bits that each has alone.
  func testForwardOfSeveral() {
    let (t, k, heights) = (600, 70, [800, 1, 130])
    var random = Random(2)
    let (x, bias) = (random.floats(t * k), random.floats(130))
    let weights = heights.map { random.floats($0 * k) }
    for workers in workerCounts {
      let scratch = Scratch(workers: workers)
      let alone = heights.map { _ in UnsafeMutablePointer<Float>.allocate(capacity: t * 800) }
      let together = heights.map { _ in UnsafeMutablePointer<Float>.allocate(capacity: t * 800) }
      defer { for buffer in alone + together { buffer.deallocate() } }
      let panels: [CopiedPanels] = zip(weights, heights).map {
        CopiedPanels(values: $0, rows: $1, columns: k)
      }
      bias.withUnsafeBufferPointer { bias in
        let biases = [nil, nil, bias.baseAddress]
        for (i, panel) in panels.enumerated() {
          linearForward(
            alone[i], x, panel, tokens: t, bias: biases[i], workers: workers, scratch: scratch)
        }
        linearForward(
          panels.indices.map { LinearPart(together[$0], panels[$0], bias: biases[$0]) }, x,
          tokens: t, workers: workers, scratch: scratch)
      }
      for (i, height) in heights.enumerated() {
        XCTAssertEqual(memcmp(alone[i], together[i], 4 * t * height), 0, "\(height)")
      }
    }
  }

  func testBackwardInput() {
    for (t, n, k) in shapes + [(2, 140, 40_000)] {  // the last: expanded in several groups
      var random = Random(UInt64(t + n))
      let (dy, w) = (random.floats(t * n), random.floats(n * k))
      let expected = referenceLinear(
        doubles(dy), transposed(doubles(w), rows: n, columns: k), tokens: t, n: k, k: n)
      forBothStorages(w, n, k) { panels in
        var dx = [Float](repeating: .nan, count: t * k)
        let scratch = Scratch(workers: two)
        linearBackwardInput(
          &dx, dy, panels, tokens: t, accumulate: false, workers: two, scratch: scratch)
        assertClose(dx, expected, "T \(t) N \(n) K \(k)")
        linearBackwardInput(&dx, dy, panels, tokens: t, alpha: 0.5, workers: two, scratch: scratch)
        assertClose(dx, expected.map { $0 * 1.5 })
      }
    }
  }

  func testBackwardWeight() {
    for (t, n, k) in shapes {
      var random = Random(UInt64(t + n))
      let (dy, x) = (random.floats(t * n), random.floats(t * k))
      let expected = referenceLinear(
        transposed(doubles(dy), rows: t, columns: n), transposed(doubles(x), rows: t, columns: k),
        tokens: n, n: k, k: t)
      var (dw, db) = ([Float](repeating: 1, count: n * k), [Float](repeating: 2, count: n))
      linearBackwardWeight(
        &dw, dy, x, tokens: t, rows: n, columns: k, bias: &db, alpha: 2, workers: two)
      assertClose(dw, expected.map { 1 + 2 * $0 }, "T \(t) N \(n) K \(k)")
      assertClose(db, (0..<n).map { c in 2 + (0..<t).reduce(0) { $0 + Double(dy[$1 * n + c]) } })
    }
  }

  func testBitsDoNotDependOnThreads() {
    let (t, n, k) = (600, 800, 70)
    var random = Random(1)
    let (x, w, dy) = (random.floats(t * k), random.floats(n * k), random.floats(t * n))
    forBothStorages(w, n, k) { panels in
      let results = workerCounts.map { workers in
        let scratch = Scratch(workers: workers)
        var (y, dx) = ([Float](repeating: 0, count: t * n), [Float](repeating: 0, count: t * k))
        var (dw, db) = ([Float](repeating: 0, count: n * k), [Float](repeating: 0, count: n))
        linearForward(&y, x, panels, tokens: t, workers: workers, scratch: scratch)
        linearBackwardInput(&dx, dy, panels, tokens: t, workers: workers, scratch: scratch)
        linearBackwardWeight(
          &dw, dy, x, tokens: t, rows: n, columns: k, bias: &db, workers: workers)
        return [y, dx, dw, db]
      }
      for result in results { for i in 0..<4 { assertSame(result[i], results[0][i], "\(i)") } }
    }
  }

  private func forBothStorages(_ w: [Float], _ n: Int, _ k: Int, _ body: (any RowPanels) -> Void) {
    w.withUnsafeBufferPointer { body(DensePanels($0.baseAddress!, rows: n, columns: k)) }
    body(CopiedPanels(values: w, rows: n, columns: k))
  }
}
