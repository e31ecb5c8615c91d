import Modeling
import Safetensors
import TestSupport
import XCTest

/// Gradients against central finite differences of the reference's loss, in Double.
///
/// The memory is a constant of both: what an earlier segment stored has no gradient.
final class GradientTests: XCTestCase {
  private let everything = AdapterConfiguration.Extra.allCases

  /// Shared and own memory, zero and continual positions, with gates, biases and blocks.
  func testAgainstFiniteDifferences() throws {
    var seed: UInt64 = 1
    for source in MemoryConfiguration.Source.allCases {
      for positions in MemoryConfiguration.Positions.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: 1, retrievalLayers: [0, 2], positions: positions, source: source,
          usesGate: true)
        let model = TinyModel(attentionBias: true, mlpBias: true, memory: memory, seed: seed)
        try check(model, layers: 0..<3, extras: everything, "\(source) \(positions)")
        seed += 1
      }
    }
  }

  func testWithoutGatesAndBiases() throws {
    for positions in MemoryConfiguration.Positions.allCases {
      let memory = MemoryConfiguration(
        memoryLayer: 1, retrievalLayers: [1, 2], positions: positions)
      try check(
        TinyModel(memory: memory, seed: 9), layers: 0..<3, extras: [.norm], "no gate \(positions)")
    }
  }

  /// The layers up to the memory layer are frozen, as in stage 2.
  func testUpperLayersAlone() throws {
    let memory = MemoryConfiguration(memoryLayer: 1, retrievalLayers: [1, 3], usesGate: true)
    let model = TinyModel(layers: 4, memory: memory, targets: ["q_proj", "v_proj"])
    let lane = try check(model, layers: 2..<4, extras: [.norm, .gate], "layers 2 and 3")
    for parameter in lane.decoder.parameters {
      let isBelow = ["model.layers.0.", "model.layers.1."].contains { parameter.name.hasPrefix($0) }
      XCTAssertEqual(parameter.isTrained, !isBelow, parameter.name)
    }
  }

  /// Nothing is trained but a few tensors: the gradient reaches no lower than it must.
  func testFewTensors() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1, 2], usesGate: true)
    let bare = TinyModel(memory: memory, targets: [])
    try check(bare, layers: 2..<3, extras: [.gate], "gate alone")
    try check(bare, layers: 0..<0, extras: [.norm], "last norm alone")
    try check(bare, layers: 0..<0, extras: [.embed], "embedding alone")
    try check(bare, layers: 1..<2, extras: [.gate, .norm], "layer 1 alone")
    for target in AdapterConfiguration.allTargets {
      let model = TinyModel(memory: memory, targets: [target])
      try check(model, layers: 1..<3, extras: [], "\(target) alone")
    }
  }

  /// Weights that are trained themselves, with and without an adapter beside them.
  func testFullWeights() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1, 2], usesGate: true)
    for targets in [[], ["k_proj", "down_proj"]] {
      let model = TinyModel(attentionBias: true, memory: memory, targets: targets)
      try check(model, layers: 1..<3, extras: [.norm], "full \(targets)", weights: true)
    }
  }

  /// The head keeps the base's weight when the embedding is trained, so the two part.
  func testTiedEmbedding() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1])
    try check(
      TinyModel(layers: 2, tied: true, memory: memory), layers: 0..<2, extras: [.embed, .norm],
      "tied")
  }

  func testNarrowMemory() throws {
    for precision in [MemoryConfiguration.Precision.bf16, .f16] {
      let memory = MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: [0, 1], source: .own, precision: precision, usesGate: true)
      try check(
        TinyModel(layers: 2, memory: memory), layers: 0..<2, extras: everything, "\(precision)")
    }
  }

  /// Weights that are expanded at each use, the trained embedding once.
  func testStoredWeights() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1], usesGate: true)
    try check(
      TinyModel(layers: 2, attentionBias: true, memory: memory, residency: .stored),
      layers: 0..<2, extras: everything, "stored")
  }

  func testScaledRotation() throws {
    for rope: JSONValue in [
      ["rope_type": "dynamic", "factor": 2.0], ["rope_type": "yarn", "factor": 4.0],
    ] {
      for positions in MemoryConfiguration.Positions.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: 0, retrievalLayers: [0, 1], positions: positions, usesGate: true)
        try check(
          TinyModel(layers: 2, maximumPositions: 8, rope: rope, memory: memory), layers: 0..<2,
          extras: [.gate], "\(rope.encoded) \(positions)")
      }
    }
  }

  /// The parts that other families have, with memory, gates and both kinds of positions.
  func testFamilies() throws {
    for positions in MemoryConfiguration.Positions.allCases {
      for model in families(positions) {
        try check(model, layers: 0..<2, extras: everything, "\(model.family) \(positions)")
      }
    }
  }

  /// Text before the segment, which has no gradient: more than a window of some layers spans, and less.
  func testBesideAContext() throws {
    let context = SlidingContext(tokens: 17, sinks: 2)
    for positions in MemoryConfiguration.Positions.allCases {
      for model in families(positions) {
        try check(
          model, layers: 0..<2, extras: everything, "\(model.family) \(positions) in a context",
          context: context)
      }
    }
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: [0, 1, 2], positions: .continual, source: .own)
    let dynamic = TinyModel(
      maximumPositions: 8, rope: ["rope_type": "dynamic", "factor": 2.0], memory: memory)
    try check(dynamic, layers: 0..<3, extras: [.norm], "dynamic", context: context)
    try check(dynamic, layers: 2..<3, extras: [.norm], "the last layer alone", context: context)
    try check(
      TinyModel(memory: memory), layers: 0..<3, extras: [.norm], "no sinks",
      context: SlidingContext(tokens: 12, sinks: 0))
  }

  private func families(_ positions: MemoryConfiguration.Positions) -> [TinyModel] {
    let long: JSONValue = [
      "type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [1.0, 2.5, 4.0],
    ]
    let qkv = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: [0, 1], positions: positions, usesGate: true)
    return [
      TinyModel(family: "mistral", fields: ["sliding_window": 3], layers: 2, memory: memory),
      TinyModel(
        family: "qwen2",
        fields: ["use_sliding_window": true, "sliding_window": 2, "max_window_layers": 1],
        layers: 2, attentionBias: true, tied: true, memory: memory),
      TinyModel(family: "gemma", layers: 2, memory: memory),
      TinyModel(fields: ["hidden_act": "gelu"], layers: 2, memory: memory),
      TinyModel(
        family: "phi3", fields: ["original_max_position_embeddings": 8, "sliding_window": 5],
        layers: 2, rope: long, memory: memory, targets: qkv),
    ]
  }

  /// Fused weights that are trained themselves.
  func testFullFusedWeights() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1])
    let model = TinyModel(
      family: "phi3", layers: 2, memory: memory, targets: ["qkv_proj"], residency: .expanded)
    try check(model, layers: 1..<2, extras: [.norm], "full phi3", weights: true)
  }

  /// More scored positions than the head takes at a time, more queries and memory than an attention tile.
  func testLongSegment() throws {
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: [0], positions: .continual, usesGate: true)
    let model = TinyModel(
      layers: 1, queryHeads: 2, keyValueHeads: 1, headSize: 4, maximumPositions: 1024,
      memory: memory)
    let lane = try TinyLane(model, maximumTokens: 280) {
      try $0.train(layers: 0..<1, extras: AdapterConfiguration.Extra.allCases)
    }
    let stored = TinySegment(blocks: [], chunkLengths: [150])
    let (first, _) = lane.draw(stored)
    lane.pass.forward(first)
    lane.store(stored, lane.reference.forward(first.tokens, blocks: []))
    let (ours, blocks) = lane.draw(
      TinySegment(blocks: [(3, []), (150, [0]), (127, [])], chunkLengths: [280]))
    lane.pass.forward(ours)
    _ = lane.pass.backward(ours.targets, scale: 1)
    XCTAssertGreaterThan(ours.targets.filter { $0 >= 0 }.count, 256)
    for parameter in lane.decoder.parameters where parameter.isTrained {
      let gradient = try XCTUnwrap(parameter.gradient).array.map(Double.init)
      let largest = gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) }!
      let expected = lane.reference.derivative(parameter.name, [largest: 1]) {
        $0.loss(ours.tokens, targets: ours.targets, blocks: blocks)
      }
      XCTAssertEqual(gradient[largest] / expected, 1, accuracy: 2e-5, parameter.name)
    }
  }

  /// torch's `padding_idx`: the row never gets a gradient, the others do.
  func testPaddingRowHasNoGradient() throws {
    var model = TinyModel(layers: 1, vocabulary: 3, padding: 1)
    model.memory = nil
    let (decoder, reference) = try model.build()
    try decoder.train(layers: 0..<1, extras: [.embed])
    let pass = DecoderPass(decoder, maximumTokens: 6, training: true)
    let tokens: [Int32] = [1, 0, 2, 1, 2, 0]
    let targets = Segment.shifted(tokens)
    pass.forward(Segment(tokens: tokens, targets: targets))
    _ = pass.backward(targets, scale: 1)
    let gradient = try XCTUnwrap(decoder.embeddingParameter().gradient).array
    for index in gradient.indices {
      let expected =
        index / 16 == 1
        ? 0
        : reference.derivative("model.embed_tokens.weight", [index: 1]) {
          $0.loss(tokens, targets: targets, blocks: [])
        }
      XCTAssertEqual(Double(gradient[index]), expected, accuracy: 1e-4)
    }
  }

  /// A gradient through the memory would be another one: the keys and values of an earlier segment
  /// depend on the same adapters, and a difference that recomputes them does not agree with ours.
  func testMemoryIsDetached() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1])
    let model = TinyModel(layers: 2, memory: memory, targets: ["k_proj", "v_proj"])
    let lane = try TinyLane(model) { try $0.train(layers: 0..<2, extras: []) }
    let stored = TinySegment(blocks: [], chunkLengths: [6])
    let (first, _) = lane.draw(stored)
    lane.pass.forward(first)
    lane.store(stored, lane.reference.forward(first.tokens, blocks: []))
    let (second, blocks) = lane.draw(TinySegment(blocks: [(8, [0])], chunkLengths: [8]))
    lane.pass.forward(second)
    _ = lane.pass.backward(second.targets, scale: 1)
    var largest = 0.0
    for parameter in lane.decoder.parameters where parameter.isTrained {
      let ours = try XCTUnwrap(parameter.gradient).array
      for index in stride(from: 0, to: ours.count, by: 5) {
        let detached = lane.reference.derivative(parameter.name, [index: 1]) {
          $0.loss(second.tokens, targets: second.targets, blocks: blocks)
        }
        XCTAssertEqual(Double(ours[index]), detached, accuracy: 1e-4 * (1 + abs(detached)))
        let attached = lane.reference.derivative(parameter.name, [index: 1]) { reference in
          let memory = reference.forward(first.tokens, blocks: [])
          let chunk = ReferenceChunk(tokens: 6, keys: memory.keys, values: memory.values)
          return reference.loss(
            second.tokens, targets: second.targets,
            blocks: [ReferenceBlock(queries: 0..<8, chunks: [chunk])])
        }
        let isMemoryLayer = parameter.name.hasPrefix("model.layers.0.")
        if isMemoryLayer { largest = max(largest, abs(attached - detached)) }
      }
    }
    XCTAssertGreaterThan(largest, 0.05)
  }

  /// Runs the script, accumulates every segment's gradient, compares with the differences of the sum.
  @discardableResult
  private func check(
    _ model: TinyModel, layers: Range<Int>, extras: [AdapterConfiguration.Extra], _ what: String,
    weights: Bool = false, context: SlidingContext? = nil, file: StaticString = #filePath,
    line: UInt = #line
  ) throws -> TinyLane {
    let lane = try TinyLane(model, context: context) {
      try $0.train(layers: layers, extras: extras, weights: weights)
    }
    var read:
      [(
        tokens: [Int32], targets: [Int32], blocks: [ReferenceBlock], context: [ReferenceLayer]
      )] = []
    let scale: Float = 0.5
    for segment in TinySegment.script {
      let (ours, blocks) = lane.draw(segment)
      lane.makeRoom(for: ours.tokens.count)
      let before = lane.referenceContext
      lane.pass.forward(ours, cache: lane.cache)
      let loss = lane.pass.backward(ours.targets, scale: scale)
      lane.store(
        segment, lane.reference.forward(ours.tokens, blocks: blocks, context: before))
      read.append((ours.tokens, ours.targets, blocks, before))
      let expected = lane.reference.loss(
        ours.tokens, targets: ours.targets, blocks: blocks, context: before)
      XCTAssertEqual(loss, expected, accuracy: 1e-4, what, file: file, line: line)
    }
    var random = SplitMix64(seed: 11)
    for parameter in lane.decoder.parameters where parameter.isTrained {
      let ours = try XCTUnwrap(parameter.gradient).array.map(Double.init)
      let largest = ours.indices.max { abs(ours[$0]) < abs(ours[$1]) }!
      XCTAssertGreaterThan(abs(ours[largest]), 1e-4, parameter.name, file: file, line: line)
      for direction in directions(ours.count, largest: largest, &random) {
        let expected =
          Double(scale)
          * lane.reference.derivative(parameter.name, direction) { reference in
            read.reduce(0) { sum, segment in
              sum
                + reference.loss(
                  segment.tokens, targets: segment.targets, blocks: segment.blocks,
                  context: segment.context)
            }
          }
        let actual = direction.reduce(0) { $0 + ours[$1.key] * $1.value }
        let difference = abs(actual - expected) / abs(ours[largest])
        XCTAssertLessThanOrEqual(
          difference, 2e-5, "\(what): \(parameter.name), \(actual) is not \(expected)", file: file,
          line: line)
      }
    }
    return lane
  }

  /// One direction through all elements, the element of the largest gradient, and two others.
  private func directions(
    _ count: Int, largest: Int, _ random: inout SplitMix64
  ) -> [[Int: Double]] {
    var whole: [Int: Double] = [:]
    for index in 0..<count {
      whole[index] = (random.next() & 1 == 0 ? 1 : -1) / Double(count).squareRoot()
    }
    return [whole, [largest: 1]] + random.integers(4, in: 0..<count).map { [$0: 1] }
  }
}

extension ReferenceDecoder {
  /// d loss / d step along `direction` (element to weight) in one tensor, by a central difference.
  func derivative(
    _ name: String, _ direction: [Int: Double], _ loss: (ReferenceDecoder) -> Double
  ) -> Double {
    let step = 1e-5
    var (above, below) = (self, self)
    for (index, weight) in direction {
      above.tensors[name]![index] += step * weight
      below.tensors[name]![index] -= step * weight
    }
    return (loss(above) - loss(below)) / (2 * step)
  }
}
