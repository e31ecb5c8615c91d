import Kernels
import XCTest

/// A weight [rows, columns] in one of the ways in which a file or a model may hold it.
private struct HeldPanels: RowPanels, @unchecked Sendable {
  enum How: CaseIterable { case dense, narrow, bf16 }

  let how: How
  let rows, columns: Int
  private let floats: MutableFloats
  private let bits: UnsafeMutablePointer<UInt16>
  var isDense: Bool { how == .dense }

  init(_ values: [Float], _ rows: Int, _ columns: Int, _ how: How) {
    (self.how, self.rows, self.columns) = (how, rows, columns)
    floats = .allocate(capacity: values.count)
    // As in a file: aligned to no more than the number itself.
    bits = .allocate(capacity: values.count + 1) + 1
    floats.initialize(from: values, count: values.count)
    convertFloatToBF16(bits, floats, count: values.count)
  }

  func panel(_ range: Range<Int>, scratch: MutableFloats?) -> Floats {
    let from = floats + range.lowerBound * columns
    if isDense { return Floats(from) }
    scratch!.update(from: from, count: range.count * columns)
    return Floats(scratch!)
  }

  func bf16(_ range: Range<Int>) -> UnsafePointer<UInt16>? {
    how == .bf16 ? UnsafePointer(bits + range.lowerBound * columns) : nil
  }

  func free() {
    floats.deallocate()
    (bits - 1).deallocate()
  }
}

final class BF16LinearTests: XCTestCase {
  // T, N, K: odd, tiny, a model's, and beyond a group of rows.
  private let shapes = [
    (1, 1, 1), (7, 5, 3), (1, 900, 64), (129, 70, 33), (600, 40, 64), (130, 1600, 96),
    (3, 1100, 4100),
  ]

  override func setUpWithError() throws {
    if let obstacle = ProductPrecision.bf16.obstacle { throw XCTSkip("no bf16: \(obstacle)") }
  }

  func testForward() {
    for (t, n, k) in shapes {
      var random = Random(UInt64(t + n))
      let (x, w, bias) = (random.floats(t * k), random.floats(n * k), random.floats(n))
      let product = referenceLinear(rounded(x), rounded(w), tokens: t, n: n, k: k)
      forEveryStorage(w, n, k) { panels in
        var y = [Float](repeating: .nan, count: t * n)
        let scratch = Scratch(workers: two)
        linearForward(
          &y, x, panels, tokens: t, precision: .bf16, workers: two, scratch: scratch)
        assertClose(y, product, "T \(t) N \(n) K \(k)")
        linearForward(
          &y, x, panels, tokens: t, accumulate: true, precision: .bf16, workers: two,
          scratch: scratch)
        assertClose(y, product.map { 2 * $0 })
        linearForward(
          &y, x, panels, tokens: t, bias: bias, precision: .bf16, workers: two, scratch: scratch)
        assertClose(y, product.indices.map { product[$0] + Double(bias[$0 % n]) })
      }
    }
  }

  func testBackwardInput() {
    for (t, n, k) in shapes {
      var random = Random(UInt64(t + n))
      let (dy, w) = (random.floats(t * n), random.floats(n * k))
      let expected = referenceLinear(
        rounded(dy), transposed(rounded(w), rows: n, columns: k), tokens: t, n: k, k: n)
      forEveryStorage(w, n, k) { panels in
        var dx = [Float](repeating: .nan, count: t * k)
        let scratch = Scratch(workers: two)
        linearBackwardInput(
          &dx, dy, panels, tokens: t, accumulate: false, precision: .bf16, workers: two,
          scratch: scratch)
        assertClose(dx, expected, "T \(t) N \(n) K \(k)")
        linearBackwardInput(
          &dx, dy, panels, tokens: t, precision: .bf16, workers: two, scratch: scratch)
        assertClose(dx, expected.map { 2 * $0 })
      }
    }
  }

  func testBitsDependOnNeitherThreadsNorStorage() {
    let (t, n, k) = (600, 1100, 160)
    var random = Random(1)
    let (x, dy) = (random.floats(t * k), random.floats(t * n))
    // Weights that are bf16 numbers, as those of a file of bf16 are however they are held.
    let w = rounded(random.floats(n * k)).map { Float($0) }
    var results: [[Float]] = []
    forEveryStorage(w, n, k) { panels in
      for workers in workerCounts {
        let scratch = Scratch(workers: workers)
        var (y, dx) = ([Float](repeating: 0, count: t * n), [Float](repeating: 0, count: t * k))
        linearForward(
          &y, x, panels, tokens: t, precision: .bf16, workers: workers, scratch: scratch)
        linearBackwardInput(
          &dx, dy, panels, tokens: t, precision: .bf16, workers: workers, scratch: scratch)
        results.append(y + dx)
      }
    }
    XCTAssertEqual(results.count, 9)
    for other in results.dropFirst() { assertSame(other, results[0]) }
  }

  /// Every shape again after more shapes than are remembered.
  func testManyShapes() {
    var random = Random(2)
    let (n, k) = (6, 4)
    let (x, w) = (random.floats(300 * k), random.floats(n * k))
    let expected = referenceLinear(rounded(x), rounded(w), tokens: 300, n: n, k: k)
    let panels = HeldPanels(w, n, k, .bf16)
    defer { panels.free() }
    let scratch = Scratch(workers: two)
    for t in Array(1...300) + [1, 300] {
      var y = [Float](repeating: .nan, count: t * n)
      linearForward(&y, x, panels, tokens: t, precision: .bf16, workers: two, scratch: scratch)
      assertClose(y, Array(expected[..<(t * n)]), "T \(t)")
    }
  }

  private func rounded(_ values: [Float]) -> [Double] {
    values.map { value in
      let bits = value.bitPattern
      let even = (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000
      return Double(Float(bitPattern: even))
    }
  }

  private func forEveryStorage(
    _ w: [Float], _ rows: Int, _ columns: Int, _ body: (HeldPanels) -> Void
  ) {
    for how in HeldPanels.How.allCases {
      let panels = HeldPanels(w, rows, columns, how)
      body(panels)
      panels.free()
    }
  }
}
