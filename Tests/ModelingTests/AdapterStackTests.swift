import Modeling
import TestSupport
import XCTest

/// An adapter trained on top of a merged one, as stage 2 is on stage 1.
final class AdapterStackTests: XCTestCase {
  /// Where weights are stored narrow the lower adapter cannot be merged; it must count all the same.
  func testLowerAdapterCounts() throws {
    for residency in [WeightResidency.expanded, .stored] {
      let stack = try Stack(residency, dropout: 0, upperDropout: 0)
      stack.pass.forward(stack.segment)
      _ = stack.pass.backward(stack.segment.targets, scale: 1)
      expectClose(
        stack.logits, stack.reference.forward(stack.segment.tokens, blocks: []).logits, 2e-5,
        "\(residency)")
      let trained = stack.decoder.parameters.filter(\.isTrained)
      XCTAssertEqual(trained.count, 2 * 2 * 7)
      for parameter in trained {
        let gradient = try XCTUnwrap(parameter.gradient).array.map(Double.init)
        let largest = gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) }!
        let expected = stack.reference.derivative(parameter.name, [largest: 1]) {
          $0.loss(stack.segment.tokens, targets: stack.segment.targets, blocks: [])
        }
        XCTAssertEqual(gradient[largest] / expected, 1, accuracy: 2e-5, parameter.name)
      }
    }
  }

  /// Dropout is of the adapter that is trained: a merged one is part of the weights, also where it
  /// could not be added to them.
  func testLowerAdapterIsNotDropped() throws {
    for residency in [WeightResidency.expanded, .stored] {
      let stack = try Stack(residency, dropout: 0.5, upperDropout: 0)
      stack.pass.forward(stack.segment)
      let plain = stack.logits
      stack.pass.forward(stack.segment, dropoutSeed: 3)
      XCTAssertEqual(stack.logits, plain, "\(residency)")
      let dropping = try Stack(residency, dropout: 0, upperDropout: 0.5)
      dropping.pass.forward(dropping.segment, dropoutSeed: 3)
      XCTAssertNotEqual(dropping.logits, plain, "\(residency)")
    }
  }

  /// A published adapter has a gate in its memory layer also where that layer does not retrieve.
  func testUnusedGateOfTheMemoryLayer() throws {
    let model = TinyModel(
      memory: MemoryConfiguration(memoryLayer: 1, retrievalLayers: [2], usesGate: true))
    let decoder = try model.build().decoder
    func gate(_ layer: Int) -> AdapterTensor {
      AdapterTensor(
        name: "model.layers.\(layer).self_attn.ret_gate.output_gate",
        shape: [1, model.queryHeads, 1, 1],
        values: [Float](repeating: 1, count: model.queryHeads))
    }
    let tensors = model.adapterTensors(seed: 2)
    try decoder.apply(model.adapter, tensors: tensors + [gate(1), gate(2)])
    XCTAssertThrowsError(try decoder.apply(model.adapter, tensors: tensors + [gate(0)]))
  }
}

/// A decoder with one adapter merged and another, trained, on top.
private struct Stack {
  let decoder: Decoder
  var reference: ReferenceDecoder
  let pass: DecoderPass
  let segment: Segment

  init(_ residency: WeightResidency, dropout: Double, upperDropout: Double) throws {
    let model = TinyModel(layers: 2, dropout: dropout, residency: residency)
    (decoder, reference) = try model.build()
    decoder.mergeAdapters()
    let (scale, rank) = (reference.adapterScale, model.rank)
    for (name, a) in reference.tensors where name.hasSuffix(".lora_A.weight") {
      let module = name.dropLast(".lora_A.weight".count)
      let (b, columns) = (reference.tensors[module + ".lora_B.weight"]!, a.count / rank)
      for index in 0..<b.count / rank * columns {
        let (row, column) = (index / columns, index % columns)
        reference.tensors[module + ".weight"]![index] += (0..<rank).reduce(0.0) {
          $0 + scale * b[row * rank + $1] * a[$1 * columns + column]
        }
      }
    }
    var upper = model.adapter
    upper.dropout = upperDropout
    let pairs = model.adapterTensors(seed: 99)
    try decoder.apply(upper, tensors: pairs)
    for tensor in pairs { reference.tensors[tensor.name] = doubles(tensor.values) }
    try decoder.train(layers: 0..<2, extras: [])
    pass = DecoderPass(decoder, maximumTokens: 9, training: true)
    var random = SplitMix64(seed: 6)
    let tokens = random.integers(9, in: 0..<model.vocabulary).map(Int32.init)
    segment = Segment(tokens: tokens, targets: Segment.shifted(tokens))
  }

  var logits: [Float] { pass.logits(Array(segment.tokens.indices)).flatMap { $0 } }
}
