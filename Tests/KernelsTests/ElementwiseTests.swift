import Kernels
import XCTest

final class ElementwiseTests: XCTestCase {
  private let shapes = [(1, 1), (1, 16), (7, 100), (129, 64), (70, 577)]

  func testRMSNorm() {
    for (t, width) in shapes {
      var random = Random(UInt64(width))
      let (x, weight) = (random.floats(t * width, scale: 3), random.floats(width))
      let dOut = random.floats(t * width)
      let loss = { (x: [Double], w: [Double]) in
        inner(referenceRMSNorm(x, w, width: width, epsilon: 1e-5), doubles(dOut))
      }
      let results = workerCounts.map { workers in
        var (out, inverse) = (
          [Float](repeating: 9, count: t * width), [Float](repeating: 9, count: t)
        )
        rmsNormForward(
          &out, inverseRMS: &inverse, x, weight, tokens: t, width: width, epsilon: 1e-5,
          workers: workers)
        var dx = [Float](repeating: 1, count: t * width)
        var dWeight = [Float](repeating: 2, count: width)
        rmsNormBackward(
          &dx, &dWeight, dOut, x, weight, inverseRMS: inverse, tokens: t, width: width,
          workers: workers)
        return [out, dx, dWeight]
      }
      assertClose(
        results[0][0], referenceRMSNorm(doubles(x), doubles(weight), width: width, epsilon: 1e-5))
      let at = random.ids(10, below: x.count).map(Int.init)
      assertClose(
        at.map { results[0][1][$0] - 1 },
        finiteDifferences(doubles(x), at: at) { loss($0, doubles(weight)) }, tolerance: 1e-4, "dx")
      let columns = random.ids(10, below: width).map(Int.init)
      assertClose(
        columns.map { results[0][2][$0] - 2 },
        finiteDifferences(doubles(weight), at: columns) { loss(doubles(x), $0) }, tolerance: 1e-4,
        "dWeight")
      for r in results { for i in 0..<3 { assertSame(r[i], results[0][i]) } }
    }
  }

  /// A norm of weight w + 1 and one of weight w with the offset 1 are the same, gradients too.
  func testRMSNormOffset() {
    let (t, width) = (70, 100)
    var random = Random(4)
    let (x, weight, dOut) = (
      random.floats(t * width, scale: 3), random.floats(width), random.floats(t * width)
    )
    let results = [(weight.map { $0 + 1 }, Float(0)), (weight, 1)].map { weight, offset in
      var (out, inverse) = (x, [Float](repeating: 9, count: t))
      rmsNormForward(
        &out, inverseRMS: &inverse, x, weight, tokens: t, width: width, epsilon: 1e-5,
        offset: offset, workers: two)
      var (dx, dWeight) = (x, weight.map { _ in Float(0) })
      rmsNormBackward(
        &dx, &dWeight, dOut, x, weight, inverseRMS: inverse, tokens: t, width: width,
        offset: offset, workers: two)
      return [out, dx, dWeight]
    }
    for i in 0..<3 { assertSame(results[0][i], results[1][i]) }
    XCTAssertNotEqual(results[0][0], x)
  }

  func testRMSNormBackwardWithoutWeightGradient() {
    let x: [Float] = [1, -2, 3, 4]
    var (a, b) = ([Float](repeating: 0, count: 4), [Float](repeating: 0, count: 4))
    var (weight, inverse): ([Float], [Float]) = ([0, 0, 0, 0], [0.36])
    let ones = [Float](repeating: 1, count: 4)
    rmsNormBackward(
      &a, nil, x, x, ones, inverseRMS: inverse, tokens: 1, width: 4, workers: one)
    rmsNormBackward(
      &b, &weight, x, x, ones, inverseRMS: inverse, tokens: 1, width: 4, workers: one)
    assertSame(a, b)
    inverse = []
  }

  func testLayerNorm() {
    for (t, width) in shapes where width > 1 {
      var random = Random(UInt64(width))
      let (x, w, b) = (
        random.floats(t * width, scale: 3).map { $0 + 5 }, random.floats(width),
        random.floats(width)
      )
      var out = x
      out.withUnsafeMutableBufferPointer { p in  // in place
        layerNormForward(
          p.baseAddress!, p.baseAddress!, w, b, tokens: t, width: width, epsilon: 1e-12,
          workers: two)
      }
      assertClose(
        out, referenceLayerNorm(doubles(x), doubles(w), doubles(b), width: width, epsilon: 1e-12))
    }
  }

  func testGELU() {
    let x = (-4000...4000).map { Float($0) / 400 } + [0, -0.0, 100, -100, 1e-8]
    var y = x
    geluForward(&y, count: y.count, workers: two)
    assertClose(y, x.map { referenceGELU(Double($0)) }, tolerance: 1e-6)
  }

  func testSwiGLU() {
    var random = Random(1)
    let n = 40_003
    let (gate, up, dOut) = (random.floats(n, scale: 20), random.floats(n), random.floats(n))
    var (out, dGate, dUp) = (up, up, up)
    swiGLUForward(&out, gate: gate, up: up, count: n, workers: two)
    assertClose(out, referenceSwiGLU(doubles(gate), doubles(up)), tolerance: 1e-6)
    swiGLUBackward(
      dGate: &dGate, dUp: &dUp, dOut: dOut, gate: gate, up: up, count: n, workers: two)
    let (g, u, d) = (doubles(gate), doubles(up), doubles(dOut))
    let h = 1e-5
    assertClose(
      dGate,
      g.indices.map { i in
        let two = referenceSwiGLU([g[i] + h, g[i] - h], [u[i], u[i]])
        return d[i] * (two[0] - two[1]) / (2 * h)
      }, tolerance: 1e-6)
    assertClose(dUp, g.indices.map { d[$0] * referenceSwiGLU([g[$0]], [1])[0] }, tolerance: 1e-6)
  }

  func testGELUGates() {
    let references: [(GateActivation, (Double) -> Double)] = [
      (.gelu, referenceGELU), (.tanhGELU, referenceTanhGELU), (.silu, { $0 / (1 + exp(-$0)) }),
    ]
    for (activation, reference) in references {
      var random = Random(2)
      let n = 40_003
      let gate = random.floats(n - 5, scale: 8) + [0, 50, -50, 1e4, -1e4]
      let (up, dOut) = (random.floats(n), random.floats(n))
      var (out, dGate, dUp) = (up, up, up)
      gatedForward(activation, &out, gate: gate, up: up, count: n, workers: two)
      assertClose(
        out, gate.indices.map { reference(Double(gate[$0])) * Double(up[$0]) }, tolerance: 1e-6)
      gatedBackward(
        activation, dGate: &dGate, dUp: &dUp, dOut: dOut, gate: gate, up: up, count: n,
        workers: two)
      let h = 1e-5
      assertClose(
        dGate,
        gate.indices.map { i in
          let g = Double(gate[i])
          return Double(dOut[i] * up[i]) * (reference(g + h) - reference(g - h)) / (2 * h)
        }, tolerance: 2e-6, "\(activation)")
      assertClose(
        dUp, gate.indices.map { Double(dOut[$0]) * reference(Double(gate[$0])) }, tolerance: 1e-6)
    }
  }

  func testSwiGLUFarFromZero() {
    let gate: [Float] = [-1000, -100, -88, 88, 100, 1000, .nan]
    let up = [Float](repeating: 1, count: 7)
    var out = up
    swiGLUForward(&out, gate: gate, up: up, count: 7, workers: one)
    assertClose(Array(out[..<6]), [0, 0, 0, 88, 100, 1000], tolerance: 1e-6)
    XCTAssertTrue(out[6].isNaN)
  }

  func testRotation() {
    for (headSize, base) in [(16, 10_000.0), (64, 100_000), (100, 10_000)] {
      let (tokens, heads, first) = (70, 3, 1000)
      let frequencies = RotaryTable.inverseFrequencies(base: base, headSize: headSize)
      let table = RotaryTable(inverseFrequencies: frequencies, positions: 990..<1070)
      var random = Random(1)
      let x = random.floats(tokens * heads * headSize)
      var y = x
      rotate(
        &y, tokens: tokens, heads: heads, headSize: headSize, stride: heads * headSize,
        table: table, firstPosition: first, workers: two)
      // The angle is an f32 product: at position 1000 it is off by up to 3e-5.
      assertClose(
        y,
        referenceRotation(
          doubles(x), heads: heads, headSize: headSize, frequencies: doubles(frequencies),
          firstPosition: first), tolerance: 1e-4)
      rotate(
        &y, tokens: tokens, heads: heads, headSize: headSize, stride: heads * headSize,
        table: table, firstPosition: first, inverse: true, workers: two)
      assertClose(y, doubles(x), tolerance: 1e-6, "there and back")
    }
  }

  func testRotationOfOneHalfOfARow() {
    let table = RotaryTable(inverseFrequencies: [1], positions: 0..<4, scaling: 2)
    var x: [Float] = [1, 0, 7, 1, 0, 7]
    rotate(
      &x, tokens: 2, heads: 1, headSize: 2, stride: 3, table: table, firstPosition: 1, workers: one)
    assertClose(x, [2 * cos(1), 2 * sin(1), 7, 2 * cos(2), 2 * sin(2), 7], tolerance: 1e-6)
  }

  func testCrossEntropy() {
    for (t, vocabulary) in [(1, 2), (7, 33), (9, 5003), (5, 16)] {
      var random = Random(UInt64(t))
      let logits = random.floats(t * vocabulary, scale: 10)
      var targets = random.ids(t, below: vocabulary)
      if t > 2 { targets[1] = -1 }
      let expected = referenceCrossEntropy(
        doubles(logits), targets: targets, vocabulary: vocabulary)
      var losses = [Double](repeating: 9, count: t)
      crossEntropyForward(
        losses: &losses, logits: logits, targets: targets, tokens: t, vocabulary: vocabulary,
        workers: two)
      assertClose(losses.map { Float($0) }, expected, tolerance: 1e-6)
      var (gradient, again) = (logits, losses)
      crossEntropy(
        logits: &gradient, targets: targets, losses: &again, scale: 0.25, tokens: t,
        vocabulary: vocabulary, workers: two)
      XCTAssertEqual(losses, again)
      var at = random.ids(20, below: logits.count).map(Int.init)
      at += targets.indices.filter { targets[$0] >= 0 }.map { $0 * vocabulary + Int(targets[$0]) }
      assertClose(
        at.map { gradient[$0] },
        finiteDifferences(doubles(logits), at: at) {
          referenceCrossEntropy($0, targets: targets, vocabulary: vocabulary).reduce(0, +) * 0.25
        }, tolerance: 1e-6)
      if t > 2 { XCTAssertEqual(gradient[vocabulary..<2 * vocabulary].map(abs).max(), 0) }
    }
  }

  func testCrossEntropyShowsNaN() {
    var (logits, losses): ([Float], [Double]) = (.init(repeating: 0, count: 40), [0, 0])
    logits[3] = .nan
    crossEntropyForward(
      losses: &losses, logits: logits, targets: [0, 1], tokens: 2, vocabulary: 20, workers: one)
    XCTAssertTrue(losses[0].isNaN)
    XCTAssertEqual(losses[1], log(20), accuracy: 1e-6)
  }
}
