import Kernels
import XCTest

final class AttentionTests: XCTestCase {
  func testForwardAndBackwardAgreeWithTheReference() {
    let cases: [Case] = [
      Case(tokens: 1, heads: 1, kv: 1, size: 16, blocks: [(1, 0)]),
      Case(tokens: 7, heads: 4, kv: 2, size: 16, blocks: [(7, 1)], gated: true),
      Case(tokens: 129, heads: 3, kv: 1, size: 64, blocks: [(129, 0)]),
      Case(tokens: 129, heads: 2, kv: 2, size: 100, blocks: [(40, 48), (89, 200)], gated: true),
      Case(tokens: 300, heads: 6, kv: 2, size: 16, blocks: [(100, 0), (28, 200), (172, 48)]),
      Case(
        tokens: 300, heads: 6, kv: 2, size: 16, blocks: [(128, 0), (0, 5), (172, 48)], gated: true),
      Case(tokens: 40, heads: 2, kv: 2, size: 32, blocks: [(40, 0)], causal: false),
      Case(tokens: 33, heads: 2, kv: 1, size: 16, blocks: [(33, 0)], gated: true),
      // Several tiles of memory and of local keys, and sizes that are no whole vectors.
      Case(tokens: 530, heads: 4, kv: 2, size: 20, blocks: [(200, 600), (330, 0)], gated: true),
      Case(tokens: 30, heads: 3, kv: 1, size: 12, blocks: [(17, 257), (13, 9)]),
    ]
    for example in cases { example.check() }
  }

  /// Windows within a tile, of several tiles, of one token and wider than the input.
  func testWindows() {
    let cases: [Case] = [
      Case(tokens: 20, heads: 2, kv: 1, size: 16, blocks: [(20, 0)], window: 5),
      Case(tokens: 300, heads: 3, kv: 1, size: 16, blocks: [(300, 0)], window: 60),
      Case(tokens: 300, heads: 2, kv: 2, size: 16, blocks: [(140, 30), (160, 65)], window: 150),
      Case(
        tokens: 300, heads: 4, kv: 2, size: 16, blocks: [(100, 0), (28, 20), (172, 48)],
        gated: true, window: 37),
      Case(tokens: 140, heads: 2, kv: 1, size: 16, blocks: [(140, 3)], gated: true, window: 1),
    ]
    for example in cases { example.check() }
    var wide = cases[2]
    wide.window = 300
    var none = wide
    none.window = nil
    let (a, b) = (wide.run(workers: two), none.run(workers: two))
    assertSame(a.out, b.out)
    XCTAssertEqual(a.dk.count, b.dk.count)
    assertClose(a.dk, b.dk.map(Double.init), tolerance: 1e-5)
    assertClose(a.dq, b.dq.map(Double.init), tolerance: 1e-5)
    let results = workerCounts.map { cases[3].run(workers: $0) }
    for r in results.dropFirst() {
      assertSame(r.out, results[0].out)
      assertSame(r.dk, results[0].dk)
      assertSame(r.dv, results[0].dv)
    }
  }

  /// Keys of earlier tokens, which get no gradient: fewer and more than a tile, with all that a query
  /// may have beside them, and windows that end among them, before them and after them.
  func testCachedKeys() {
    var cases: [Case] = [
      Case(tokens: 1, heads: 1, kv: 1, size: 16, blocks: [(1, 0)], cached: 1),
      Case(tokens: 20, heads: 4, kv: 2, size: 16, blocks: [(20, 0)], cached: 13),
      Case(
        tokens: 150, heads: 4, kv: 2, size: 16, blocks: [(30, 0), (50, 20), (70, 48)], gated: true,
        cached: 170),
      Case(tokens: 40, heads: 2, kv: 2, size: 32, blocks: [(40, 0)], causal: false, cached: 9),
    ]
    for window in [1, 7, 60, 200, 400] {
      var windowed = cases[2]
      windowed.window = window
      cases.append(windowed)
    }
    for example in cases { example.check() }
    for example in cases[2...] {
      let results = workerCounts.map { example.run(workers: $0) }
      for r in results.dropFirst() {
        assertSame(r.dq, results[0].dq)
        assertSame(r.dk, results[0].dk)
        assertSame(r.dv, results[0].dv)
      }
    }
  }

  /// A window over cached keys is the window over the whole sequence.
  func testWindowOverCachedKeys() {
    for (tokens, cached) in [(21, 13), (320, 290), (700, 410)] {
      checkWindow(tokens: tokens, cached: cached, size: 16)
    }
  }

  private func checkWindow(tokens: Int, cached: Int, size: Int) {
    var random = Random(8)
    let (q, k, v) = (
      random.floats(tokens * size), random.floats(tokens * size), random.floats(tokens * size)
    )
    let expected = ReferenceAttention(
      tokens: tokens, heads: 1, keyValueHeads: 1, headSize: size,
      blocks: [.init(queries: 0..<tokens)], window: 6)(q: doubles(q), k: doubles(k), v: doubles(v))
    var out = [Float](repeating: 0, count: (tokens - cached) * size)
    q.withUnsafeBufferPointer { q in
      attentionForward(
        &out, logSumExp: nil, q: q.baseAddress! + cached * size, k: k, v: v,
        tokens: tokens - cached, cached: cached,
        shape: AttentionShape(queryHeads: 1, keyValueHeads: 1, headSize: size),
        blocks: [AttentionBlock(queries: 0..<tokens - cached)], window: 6, workers: two,
        scratch: Scratch(workers: two))
    }
    assertClose(out, Array(expected.out[(cached * size)...]))
  }

  func testBitsDoNotDependOnThreads() {
    let example = Case(
      tokens: 300, heads: 9, kv: 3, size: 16, blocks: [(140, 0), (160, 65)], gated: true)
    let results = workerCounts.map { example.run(workers: $0) }
    for r in results.dropFirst() {
      assertSame(r.out, results[0].out)
      assertSame(r.dq, results[0].dq)
      assertSame(r.dk, results[0].dk)
      assertSame(r.dv, results[0].dv)
      XCTAssertEqual(r.dGates, results[0].dGates)
    }
  }

  func testRowStrides() {
    // q, k, v fused in one buffer, with a padding of 5.
    let (tokens, heads, kv, size) = (37, 4, 2, 16)
    let (wide, narrow) = (heads * size, kv * size)
    let stride = wide + 2 * narrow + 5
    var random = Random(3)
    let fused = random.floats(tokens * stride)
    let column = { (from: Int, count: Int) in
      (0..<tokens).flatMap { fused[$0 * stride + from..<$0 * stride + from + count] }
    }
    let reference = ReferenceAttention(
      tokens: tokens, heads: heads, keyValueHeads: kv, headSize: size,
      blocks: [.init(queries: 0..<tokens)])(
        q: doubles(column(0, wide)), k: doubles(column(wide, narrow)),
        v: doubles(column(wide + narrow, narrow)))
    let shape = AttentionShape(
      queryHeads: heads, keyValueHeads: kv, headSize: size, queryStride: stride, keyStride: stride,
      valueStride: stride)
    var out = [Float](repeating: 0, count: tokens * wide)
    fused.withUnsafeBufferPointer { p in
      let q = p.baseAddress!
      attentionForward(
        &out, logSumExp: nil, q: q, k: q + wide, v: q + wide + narrow, tokens: tokens, shape: shape,
        blocks: [AttentionBlock(queries: 0..<tokens)], workers: two, scratch: Scratch(workers: two))
    }
    assertClose(out, reference.out)
  }
}

/// One random attention with its memory blocks, (queries, memory tokens) each.
private struct Case {
  var tokens, heads, kv, size: Int
  var blocks: [(queries: Int, memory: Int)]
  var gated = false
  var causal = true
  var window: Int?
  var cached = 0

  struct Result {
    var out, lse, dq, dk, dv: [Float]
    var dGates: [Double]
  }

  struct Input {
    let q, k, v, dOut, gates, memory: [Float]
  }

  var input: Input {
    var random = Random(UInt64(tokens * 1000 + size))
    let (wide, narrow) = (heads * size, kv * size)
    return Input(
      q: random.floats(tokens * wide, scale: 2),
      k: random.floats((cached + tokens) * narrow, scale: 2),
      v: random.floats((cached + tokens) * narrow), dOut: random.floats(tokens * wide),
      gates: random.floats(heads, scale: 2),
      memory: random.floats(2 * narrow * (blocks.map(\.memory).max() ?? 0), scale: 2))
  }

  func run(workers: Workers) -> Result {
    let x = input
    let own = tokens * kv * size
    var r = Result(
      out: .init(repeating: 9, count: x.q.count), lse: .init(repeating: 9, count: heads * tokens),
      dq: .init(repeating: 1, count: x.q.count), dk: .init(repeating: 2, count: own),
      dv: .init(repeating: 3, count: own), dGates: .init(repeating: 4, count: heads))
    let shape = AttentionShape(queryHeads: heads, keyValueHeads: kv, headSize: size)
    let scratch = Scratch(workers: workers)
    x.memory.withUnsafeBufferPointer { memory in
      var (list, first) = ([AttentionBlock](), 0)
      for b in blocks {
        let half = memory.baseAddress.map { $0 + memory.count / 2 }
        list.append(
          AttentionBlock(
            queries: first..<first + b.queries, memoryKeys: memory.baseAddress, memoryValues: half,
            memoryTokens: b.memory))
        first += b.queries
      }
      x.gates.withUnsafeBufferPointer { g in
        let gates = gated ? g.baseAddress : nil
        attentionForward(
          &r.out, logSumExp: &r.lse, q: x.q, k: x.k, v: x.v, tokens: tokens, cached: cached,
          shape: shape, blocks: list, gates: gates, causal: causal, window: window,
          workers: workers, scratch: scratch)
        attentionBackward(
          dq: &r.dq, dk: &r.dk, dv: &r.dv, dGates: &r.dGates, dOut: x.dOut, out: r.out,
          logSumExp: r.lse, q: x.q, k: x.k, v: x.v, tokens: tokens, cached: cached, shape: shape,
          blocks: list, gates: gates, causal: causal, window: window, workers: workers,
          scratch: scratch)
      }
    }
    return r
  }

  func check(file: StaticString = #filePath, line: UInt = #line) {
    let (x, r) = (input, run(workers: two))
    let name = "T \(cached) + \(tokens), \(heads)/\(kv) heads of \(size), \(blocks)"
    let narrow = kv * size
    var (list, first) = ([ReferenceAttention.Block](), 0)
    for b in blocks {
      let half = x.memory.count / 2
      list.append(
        .init(
          queries: first..<first + b.queries,
          keys: doubles(Array(x.memory[..<(b.memory * narrow)])),
          values: doubles(Array(x.memory[half..<half + b.memory * narrow]))))
      first += b.queries
    }
    let reference = ReferenceAttention(
      tokens: tokens, heads: heads, keyValueHeads: kv, headSize: size, blocks: list, causal: causal,
      window: window ?? .max, cached: cached)
    let (q, k, v, dOut) = (doubles(x.q), doubles(x.k), doubles(x.v), doubles(x.dOut))
    let gates = gated ? doubles(x.gates) : nil
    let expected = reference(q: q, k: k, v: v, gates: gates)
    assertClose(r.out, expected.out, name, file: file, line: line)
    assertClose(r.lse, expected.logSumExp, name, file: file, line: line)

    var random = Random(5)
    let loss = { (q: [Double], k: [Double], v: [Double], g: [Double]?) in
      inner(reference(q: q, k: k, v: v, gates: g).out, dOut)
    }
    let samples = tokens > 100 ? 3 : 8
    // The gradients are of the last values: those of cached keys have none.
    func compare(
      _ got: [Float], from start: Float, _ x: [Double], _ what: String,
      _ loss: ([Double]) -> Double
    ) {
      let at = random.ids(samples, below: got.count).map(Int.init)
      let places = at.map { x.count - got.count + $0 }
      assertClose(
        at.map { got[$0] - start }, finiteDifferences(x, at: places, loss), tolerance: 1e-4,
        "\(what) of \(name)", file: file, line: line)
    }
    compare(r.dq, from: 1, q, "dq") { loss($0, k, v, gates) }
    compare(r.dk, from: 2, k, "dk") { loss(q, $0, v, gates) }
    compare(r.dv, from: 3, v, "dv") { loss(q, k, $0, gates) }
    if let gates {
      let at = Array(gates.indices)
      assertClose(
        r.dGates.map { Float($0 - 4) }, finiteDifferences(gates, at: at) { loss(q, k, v, $0) },
        tolerance: 2e-4, "dGates of \(name)", file: file, line: line)
    } else {
      XCTAssertEqual(r.dGates, .init(repeating: 4, count: heads), file: file, line: line)
    }
  }
}
