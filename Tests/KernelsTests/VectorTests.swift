import Kernels
import XCTest

final class VectorTests: XCTestCase {
  func testWorkersVisitEveryTileOnce() {
    for workers in workerCounts {
      for tiles in [0, 1, 2, 100] {
        let counts = UnsafeMutablePointer<Int>.allocate(capacity: 100)
        counts.initialize(repeating: 0, count: 100)
        workers.forEach(tiles: tiles) { tile, worker in
          XCTAssertLessThan(worker, workers.threads)
          counts[tile] += 1
        }
        XCTAssertEqual((0..<100).map { counts[$0] }, (0..<100).map { $0 < tiles ? 1 : 0 })
        counts.deallocate()
      }
    }
  }

  func testScratchIsAlignedAndKept() {
    let scratch = Scratch(workers: two)
    let a = scratch.floats(worker: 1, count: 5000)
    XCTAssertEqual(Int(bitPattern: a) % 64, 0)
    XCTAssertEqual(scratch.floats(worker: 1, count: 100), a)
    XCTAssertNotEqual(scratch.floats(worker: 0, count: 100), a)
    XCTAssertNotEqual(scratch.shared(count: 100), a)
  }

  func testVectors() {
    var random = Random(1)
    let (x, y) = (random.floats(70_001), random.floats(70_001))
    var z = y
    addScaled(&z, x, 0.5, count: x.count, workers: two)
    assertClose(z, x.indices.map { Double(y[$0]) + 0.5 * Double(x[$0]) }, tolerance: 1e-7)
    scale(&z, 2, count: x.count, workers: two)
    assertClose(z, x.indices.map { 2 * Double(y[$0]) + Double(x[$0]) }, tolerance: 2e-7)
    fill(&z, 3, count: 5, workers: two)
    XCTAssertEqual(Array(z[..<5]), [3, 3, 3, 3, 3])
    let norm = squaredNorm(x, count: x.count)
    XCTAssertEqual(norm, inner(doubles(x), doubles(x)), accuracy: norm * 1e-7)
    XCTAssertEqual(squaredNorm(x, count: 0), 0)
  }

  func testInnerProductsDependOnTheirRowsAlone() {
    for (rows, queries, d) in [
      (1, 1, 1), (7, 3, 20), (517, 5, 384), (300, 9, 100), (131, 39, 33), (70, 16, 384),
    ] {
      var random = Random(UInt64(rows))
      let (keys, q) = (random.floats(rows * d), random.floats(queries * d))
      var scores = [Float](repeating: 9, count: rows * queries)
      innerProducts(
        &scores, keys: keys, queries: q, rows: rows, queryCount: queries, dimension: d, workers: two
      )
      assertClose(
        scores,
        referenceLinear(doubles(q), doubles(keys), tokens: queries, n: rows, k: d), tolerance: 5e-6)
      let query = queries - 1
      for first in [0, rows / 2, rows - 1] {
        var part = [Float](repeating: 9, count: rows - first)
        keys.withUnsafeBufferPointer { k in
          q.withUnsafeBufferPointer { q in
            dotRows(
              &part, keys: k.baseAddress! + first * d, query: q.baseAddress! + query * d,
              rows: rows - first, dimension: d, workers: one)
          }
        }
        assertSame(part, Array(scores[query * rows + first..<(query + 1) * rows]))
      }
    }
  }

  func testScanning() {
    var random = Random(3)
    var x = random.floats(300)
    XCTAssertNil(firstNotFinite(x, count: x.count))
    for index in [299, 191, 64, 63, 0] {
      for bad in [Float.nan, .infinity, -.infinity] {
        x[index] = bad
        XCTAssertEqual(firstNotFinite(x, count: x.count), index)
      }
      x[index] = 1e30
      XCTAssertEqual(firstAbove(1e29, x, from: 0, count: x.count), index)
      XCTAssertEqual(firstAbove(1e29, x, from: index, count: x.count), index)
      XCTAssertEqual(firstAbove(1e30, x, from: 0, count: x.count), x.count)
      XCTAssertEqual(firstAbove(1e29, x, from: 0, count: index), index)
    }
  }

  func testRows() {
    let width = 300
    var random = Random(1)
    let (table, d) = (random.floats(40 * width), random.floats(100 * width))
    let ids = random.ids(100, below: 40)
    var out = d
    table.withUnsafeBufferPointer {
      gatherRows(
        &out, table: DensePanels($0.baseAddress!, rows: 40, columns: width), ids: ids, count: 100,
        workers: two)
    }
    var (expected, sums) = ([Float](), doubles(table))
    for (i, id) in ids.enumerated() {
      expected += table[Int(id) * width..<(Int(id) + 1) * width]
      for c in 0..<width { sums[Int(id) * width + c] += Double(d[i * width + c]) }
    }
    assertSame(out, expected)
    let results = workerCounts.map { workers in
      var dTable = table
      scatterAddRows(&dTable, d, ids: ids, count: 100, width: width, workers: workers)
      return dTable
    }
    assertClose(results[0], sums, tolerance: 1e-6)
    for r in results { assertSame(r, results[0]) }
  }

  func testEveryF16AndBF16ValueConverts() {
    let all = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: all.count)
    convertBF16ToFloat(&wide, all, count: all.count)
    XCTAssertTrue(all.allSatisfy { wide[Int($0)].bitPattern == UInt32($0) << 16 })
    var back = [UInt16](repeating: 0, count: all.count)
    convertFloatToBF16(&back, wide, count: all.count)
    for i in all where !wide[Int(i)].isNaN { XCTAssertEqual(back[Int(i)], i) }
    XCTAssertTrue(all.allSatisfy { !wide[Int($0)].isNaN || back[Int($0)] & 0x7fff > 0x7f80 })

    convertF16ToFloat(&wide, all, count: all.count)
    convertFloatToF16(&back, wide, count: all.count)
    for i in all {
      let value = Float(Float16(bitPattern: i))
      guard !value.isNaN else {
        XCTAssertTrue(wide[Int(i)].isNaN && back[Int(i)] & 0x7fff > 0x7c00)
        continue
      }
      XCTAssertEqual(wide[Int(i)].bitPattern, value.bitPattern)
      XCTAssertEqual(back[Int(i)], i)
    }
  }

  func testRoundingToNarrowTypes() {
    var random = Random(1)
    var x = (0..<50_000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    // All exponents around f16's range, ties included.
    for bits in stride(from: UInt32(0x3200_0000), to: 0x4800_0000, by: 0x800) {
      x += [Float(bitPattern: bits), -Float(bitPattern: bits), Float(bitPattern: bits + 1)]
    }
    var narrow = [UInt16](repeating: 0, count: x.count)
    convertFloatToF16(&narrow, x, count: x.count)
    for i in x.indices where !x[i].isNaN {
      XCTAssertEqual(narrow[i], Float16(x[i]).bitPattern, "\(x[i])")
    }
    convertFloatToBF16(&narrow, x, count: x.count)
    for i in x.indices where x[i].isFinite {
      let (down, bits) = (x[i].bitPattern & 0xffff_0000, x[i].bitPattern & 0xffff)
      let up = bits > 0x8000 || bits == 0x8000 && down & 0x10000 != 0
      XCTAssertEqual(UInt32(narrow[i]) << 16, down &+ (up ? 0x10000 : 0))
    }
  }

  func testAdamWByHand() {
    // Two steps; numbers by hand from torch.optim.AdamW's formula, in Double.
    var (p, m, v): ([Float], [Float], [Float]) = ([1, -2], [0, 0], [0, 0])
    var (rp, rm, rv) = ([1.0, -2.0], [0.0, 0.0], [0.0, 0.0])
    let gradients: [[Float]] = [[0.5, -1], [0.25, 3]]
    for step in 1...2 {
      adamW(
        parameters: &p, gradients: gradients[step - 1], m: &m, v: &v, count: 2, learningRate: 0.1,
        beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, step: step, gradientScale: 0.5,
        workers: one)
      for i in 0..<2 {
        let g = Double(gradients[step - 1][i]) * 0.5
        rp[i] *= 1 - 0.1 * 0.01
        rm[i] = 0.9 * rm[i] + 0.1 * g
        rv[i] = 0.999 * rv[i] + 0.001 * g * g
        let (c1, c2) = (1 - pow(0.9, Double(step)), 1 - pow(0.999, Double(step)))
        rp[i] -= 0.1 / c1 * rm[i] / (rv[i].squareRoot() / c2.squareRoot() + 1e-8)
      }
      assertClose(p, rp, tolerance: 1e-6)
    }
    // The first step moves by the learning rate against the gradient's sign, after decay.
    (p, m, v) = ([1, -2], [0, 0], [0, 0])
    adamW(
      parameters: &p, gradients: gradients[0], m: &m, v: &v, count: 2, learningRate: 0.1,
      beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, step: 1, workers: one)
    assertClose(p, [0.999 - 0.1, -1.998 + 0.1], tolerance: 1e-6)
  }

  func testDropout() {
    let n = 100_000
    let x = [Float](repeating: 1, count: n)
    var (a, b) = (x, x)
    dropout(&a, x, count: n, rate: 0.25, key: 7, offset: 0, workers: two)
    XCTAssertEqual(Double(a.filter { $0 == 0 }.count) / Double(n), 0.25, accuracy: 0.01)
    XCTAssertTrue(a.allSatisfy { $0 == 0 || $0 == 1 / (1 - Float(0.25)) })
    // A part drawn by itself is the same part of the whole.
    dropout(&b, x, count: 1000, rate: 0.25, key: 7, offset: 50_000, workers: one)
    assertSame(Array(b[..<1000]), Array(a[50_000..<51_000]))
    dropout(&b, x, count: n, rate: 0.25, key: 8, offset: 0, workers: two)
    let both = zip(a, b).filter { $0 == 0 && $1 == 0 }.count
    XCTAssertEqual(Double(both) / Double(n), 0.0625, accuracy: 0.005)
    b = x
    dropout(&b, x, count: n, rate: 0.25, key: 7, offset: 0, accumulate: true, workers: two)
    assertSame(b, a.map { $0 + 1 })
    dropout(&b, x, count: n, rate: 0, key: 7, offset: 0, workers: two)
    assertSame(b, x)
  }
}
