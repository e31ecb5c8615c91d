import Evaluation
import Foundation
import Modeling
import Safetensors
import TestSupport
import Training
import Weights
import XCTest

/// Training beside a sliding context with sinks, memory in every layer, against PyTorch in float64.
final class TrainContextTests: XCTestCase {
  /// Logits, loss and gradients of every segment, where no step is taken.
  func testFixedWeights() throws {
    let fixture = try ContextFixture()
    let decoder = try fixture.decoder()
    try decoder.train(layers: 0..<4, extras: [])
    let pass = DecoderPass(decoder, maximumTokens: 16, training: true)
    var memory = LaneMemory(plan: fixture.plan)
    var context = LaneContext(
      fixture.context, decoder, layers: 0..<4, segmentTokens: 16, documentTokens: 96)
    for (index, planned) in fixture.segments.enumerated() {
      let name = "segment\(index)."
      let segment = Segment(
        tokens: planned.tokens, targets: Segment.shifted(planned.tokens),
        blocks: try memory.blocks(of: planned))
      pass.forward(segment, cache: context.cache(before: planned))
      let logits = pass.logits(Array(0..<16)).flatMap { $0 }
      try expectNear(logits, fixture.tensors.floats(name + "logits"), 2e-4, name + "logits")
      let loss = pass.backward(segment.targets, scale: 1 / 15) / 15
      XCTAssertEqual(loss, fixture.losses("losses")[index], accuracy: 1e-5, name)
      for parameter in decoder.parameters where parameter.isTrained {
        let gradient = try XCTUnwrap(parameter.gradient)
        let expected = try fixture.tensors.floats(
          name + "gradient." + Adapter.prefix + parameter.name)
        let scale = expected.map(abs).max() ?? 0
        XCTAssertGreaterThan(scale, 0)
        expectNear(gradient.array, expected, 5e-4 * scale, name + parameter.name)
        gradient.zero()
      }
      try memory.advance(past: planned, pass)
    }
  }

  /// A step of AdamW after every segment, so that a context's keys and values are of older weights.
  func testAStepAfterEachSegment() throws {
    let fixture = try ContextFixture()
    let decoder = try fixture.decoder()
    let trainer = try fixture.trainer(decoder, learningRate: 1e-3)
    for loss in fixture.losses("losses_with_a_step_after_each_segment") {
      XCTAssertEqual(try XCTUnwrap(trainer.step()).loss, loss, accuracy: 1e-5)
    }
    XCTAssertNil(try trainer.step())
    for parameter in decoder.parameters where parameter.isTrained {
      let expected = try fixture.tensors.floats("trained." + Adapter.prefix + parameter.name)
      let differences = zip(parameter.value.array, expected).map { abs($0 - $1) }
      // Adam's step is a sign where |gradient| ≈ 0.
      XCTAssertLessThanOrEqual(differences.filter { $0 > 2e-5 }.count, 2, parameter.name)
      XCTAssertLessThanOrEqual(differences.max() ?? .infinity, 3e-3, parameter.name)
    }
  }

  /// The loss of a training step is the evaluation's of the same weights, text, plan and context, over
  /// all of a segment's tokens but the first, which training has no prediction of.
  func testStepsCostWhatTheEvaluationSays() throws {
    for documentSegments in [6, 4] {
      var fixture = try ContextFixture()
      for index in fixture.segments.indices {
        fixture.segments[index].document = index / documentSegments
      }
      let decoder = try fixture.decoder()
      let trainer = try fixture.trainer(decoder, learningRate: 0)
      let evaluator = StreamEvaluator(
        decoder, plan: fixture.plan, segmentTokens: 16, documentTokens: 96,
        context: LocalContext(tokens: fixture.context.tokens, sinks: fixture.context.sinks))
      for (segment, whole) in zip(fixture.segments, fixture.losses("losses")) {
        let scores = try evaluator.score(segment).dropFirst().compactMap { $0 }
        XCTAssertEqual(scores.count, 15)
        let loss = try XCTUnwrap(trainer.step()).loss
        XCTAssertEqual(loss, scores.reduce(0, +) / 15, accuracy: 1e-6)
        if segment.document == 0 { XCTAssertEqual(loss, whole, accuracy: 1e-5) }
      }
    }
  }

  private func expectNear(
    _ ours: [Float], _ expected: [Float], _ tolerance: Float, _ what: String
  ) {
    XCTAssertEqual(ours.count, expected.count, what)
    let difference = zip(ours, expected).map { abs($0 - $1) }.max() ?? .infinity
    XCTAssertLessThanOrEqual(difference, tolerance, what)
  }
}

/// One document of six segments, a plan over it, a model and its adapter.
private struct ContextFixture {
  let tensors: Tensors
  let plan: RetrievalPlan
  var segments: [PlannedSegment]
  let context: SlidingContext
  private let facts: JSONValue

  init() throws {
    tensors = try Tensors(fixture: "train-context/tensors.safetensors")
    facts = try fixtureJSON("train-context/case.json")
    context = SlidingContext(
      tokens: try XCTUnwrap(facts["context"]?.intValue),
      sinks: try XCTUnwrap(facts["sinks"]?.intValue))
    var plan = RetrievalPlan()
    for block in facts["plan"]?.arrayValue ?? [] {
      plan.append(
        row: try XCTUnwrap(block["row"]?.intValue),
        neighbours: (block["neighbours"]?.arrayValue ?? []).compactMap(\.intValue))
    }
    self.plan = plan
    let tokens = try tensors.integers("input_ids").map { Int32($0) }
    segments = stride(from: 0, to: tokens.count, by: 16).map { start in
      PlannedSegment(
        firstRow: start / 4, chunkLengths: [4, 4, 4, 4], tokens: Array(tokens[start..<start + 16]),
        nextToken: start + 16 < tokens.count ? tokens[start + 16] : -1, document: 0)
    }
  }

  func losses(_ name: String) -> [Double] {
    (facts[name]?.arrayValue ?? []).compactMap(\.doubleValue)
  }

  /// With its adapter, of which nothing is trained yet.
  func decoder() throws -> Decoder {
    let folder = try modelFolder(configuration: "train-context", weights: ["train-context"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let decoder = try Decoder(
      files: try ModelFiles.open(path: folder),
      memory: MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: [0, 1, 2, 3], positions: .continual, source: .own,
        chunkTokens: 4),
      compute: Compute(threads: 2))
    let adapter = try Adapter.read(folder: fixture("train-context/adapter"))
    try decoder.apply(
      try AdapterConfiguration(
        peft: try LoRAConfiguration(adapter.configuration, path: "train-context/adapter")),
      tensors: adapter.tensors.map { name, tensor in
        AdapterTensor(
          name: String(name.dropFirst(Adapter.prefix.count)), shape: tensor.shape,
          values: tensor.values)
      })
    return decoder
  }

  /// A step after each segment.
  func trainer(_ decoder: Decoder, learningRate: Double) throws -> Trainer {
    let options = TrainingOptions(
      mode: .loraAll,
      adapter: AdapterConfiguration(
        rank: 2, alpha: 4, dropout: 0, targets: ["q_proj", "k_proj", "v_proj", "o_proj"],
        extras: []),
      schedule: LearningRateSchedule(
        shape: .constant, peak: learningRate, warmupSteps: 0, totalSteps: segments.count),
      optimizer: .init(weightDecay: 0, clip: 0), accumulation: 1, lanes: 1, seed: 0,
      context: context)
    return try Trainer(
      decoder: decoder, options: options, sources: [ListSource(segments: segments[...])],
      plan: plan, segmentTokens: 16, documentTokens: 96)
  }
}
