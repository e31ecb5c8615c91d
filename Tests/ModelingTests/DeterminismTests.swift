import Modeling
import TestSupport
import XCTest

/// Results are the same bits for any number of threads, and whatever a pass has done before.
final class DeterminismTests: XCTestCase {
  /// Wide and long enough that every kernel has several tiles.
  private func model(dropout: Double) -> TinyModel {
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: [0, 1], positions: .continual, source: .own,
      precision: .bf16, usesGate: true)
    return TinyModel(
      layers: 2, hidden: 96, headSize: 20, intermediate: 224, vocabulary: 700,
      maximumPositions: 1024, attentionBias: true, memory: memory, dropout: dropout)
  }

  /// Logits, gradients and memory of two segments in a row, the second of several blocks.
  private struct Result: Equatable {
    var logits: [[Float]] = []
    var losses: [Double] = []
    var gradients: [String: [Float]] = [:]
    var memory: [[Float]] = []
  }

  private func run(
    _ model: TinyModel, threads: Int, dropoutSeed: UInt64?, warmUp: Bool = false
  ) throws -> Result {
    let decoder = try model.build(threads: threads).decoder
    try decoder.train(layers: 0..<2, extras: AdapterConfiguration.Extra.allCases)
    let pass = DecoderPass(decoder, maximumTokens: 340, training: true)
    var random = SplitMix64(seed: 2)
    let first = random.integers(340, in: 0..<700).map(Int32.init)
    let second = random.integers(300, in: 0..<700).map(Int32.init)
    var result = Result()
    if warmUp {
      let noise: [Int32] = Array(first.reversed())
      pass.forward(Segment(tokens: noise, targets: Segment.shifted(noise)), dropoutSeed: 77)
      _ = pass.backward(Segment.shifted(noise), scale: 3)
      for parameter in decoder.parameters { parameter.gradient?.zero() }
    }
    pass.forward(Segment(tokens: first, targets: Segment.shifted(first)), dropoutSeed: dropoutSeed)
    result.losses.append(pass.backward(Segment.shifted(first), scale: 0.01))
    let chunks = [0..<170, 170..<171, 171..<340].map { pass.memoryChunk($0) }
    let segment = Segment(
      tokens: second, targets: Segment.shifted(second),
      blocks: [
        .init(queries: 0..<150, chunks: [chunks[0], chunks[2]]),
        .init(queries: 150..<151, chunks: []), .init(queries: 151..<300, chunks: [chunks[1]]),
      ])
    pass.forward(segment, dropoutSeed: dropoutSeed.map { $0 + 1 })
    result.losses.append(pass.backward(segment.targets, scale: 0.01))
    result.logits = pass.logits([0, 149, 150, 151, 299])
    for parameter in decoder.parameters {
      result.gradients[parameter.name] = try XCTUnwrap(parameter.gradient).array
    }
    result.memory = chunks.flatMap { chunk in (0..<2).map { chunk.expanded(slot: $0).keys } }
    return result
  }

  func testThreadsDoNotMatter() throws {
    let one = try run(model(dropout: 0.3), threads: 1, dropoutSeed: 9)
    XCTAssertGreaterThan(one.gradients.count, 30)
    XCTAssertTrue(one.gradients.values.allSatisfy { $0.contains { $0 != 0 } })
    for threads in [2, 3] {
      XCTAssertTrue(
        try run(model(dropout: 0.3), threads: threads, dropoutSeed: 9) == one, "\(threads) threads")
    }
  }

  func testEarlierSegmentsDoNotMatter() throws {
    let model = model(dropout: 0.3)
    XCTAssertTrue(
      try run(model, threads: 2, dropoutSeed: 9)
        == run(model, threads: 2, dropoutSeed: 9, warmUp: true))
  }

  func testDropoutFollowsItsSeed() throws {
    let dropped = try run(model(dropout: 0.3), threads: 2, dropoutSeed: 9)
    XCTAssertNotEqual(
      dropped.losses, try run(model(dropout: 0.3), threads: 2, dropoutSeed: 10).losses)
    // Without a seed, and at rate 0, nothing is dropped.
    let plain = try run(model(dropout: 0), threads: 2, dropoutSeed: 9)
    XCTAssertNotEqual(dropped.losses, plain.losses)
    XCTAssertTrue(try run(model(dropout: 0.3), threads: 2, dropoutSeed: nil) == plain)
  }

  /// The backward pass drops what the forward pass dropped: the gradient predicts how the loss under
  /// the same mask changes. In float32, so coarse; without the mask it is wrong by a third.
  func testDropoutBackwardUsesTheSameMask() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1])
    let decoder = try TinyModel(layers: 2, memory: memory, dropout: 0.4).build().decoder
    try decoder.train(layers: 0..<2, extras: [.norm])
    let pass = DecoderPass(decoder, maximumTokens: 12, training: true)
    let tokens = SplitMix64.tokens(12, below: 23, seed: 4)
    let segment = Segment(tokens: tokens, targets: Segment.shifted(tokens))
    func loss() -> Double {
      pass.forward(segment, dropoutSeed: 21)
      return pass.losses(segment.targets).reduce(0, +)
    }
    pass.forward(segment, dropoutSeed: 21)
    _ = pass.backward(segment.targets, scale: 1)
    for parameter in decoder.parameters where parameter.isTrained {
      // One step along the gradient, to either side: the change is the gradient's norm.
      let (value, gradient) = (parameter.value, try XCTUnwrap(parameter.gradient).array)
      let start = value.array
      let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let step = 0.01
      let changes = [step, -step].map { step in
        for index in start.indices {
          value.pointer[index] = start[index] + Float(step * Double(gradient[index]) / norm)
        }
        return loss()
      }
      value.copy(from: start, count: start.count)
      XCTAssertEqual(
        (changes[0] - changes[1]) / (2 * step) / norm, 1, accuracy: 0.02, parameter.name)
    }
  }
}

extension SplitMix64 {
  fileprivate static func tokens(_ count: Int, below limit: Int, seed: UInt64) -> [Int32] {
    var random = SplitMix64(seed: seed)
    return random.integers(count, in: 0..<limit).map(Int32.init)
  }
}
