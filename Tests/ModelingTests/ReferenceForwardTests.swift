import Modeling
import Safetensors
import XCTest

/// Logits and stored memory of random small models against plain loops in Double.
final class ReferenceForwardTests: XCTestCase {
  func testWithoutMemory() throws {
    let model = TinyModel(attentionBias: true, mlpBias: true, tied: true)
    try check(model, [TinySegment(blocks: [], chunkLengths: [12])], "plain")
  }

  /// Every layer that reads, of every kind of source, at both kinds of positions, gated and not.
  func testBlocksWithTheirOwnMemories() throws {
    var seed: UInt64 = 1
    for source in MemoryConfiguration.Source.allCases {
      for positions in MemoryConfiguration.Positions.allCases {
        for usesGate in [false, true] {
          let memory = MemoryConfiguration(
            memoryLayer: 1, retrievalLayers: [0, 2], positions: positions, source: source,
            usesGate: usesGate)
          let model = TinyModel(attentionBias: usesGate, memory: memory, seed: seed)
          try check(model, TinySegment.script, "\(source) \(positions) \(usesGate)")
          seed += 1
        }
      }
    }
  }

  /// The memory layer among the retrieval layers, below, above and between them; one and all of them.
  func testAnyLayers() throws {
    for (memoryLayer, layers) in [
      (1, [1, 3]), (0, [2, 3]), (3, [0, 1]), (2, [0, 3]), (0, [0]), (3, [3]), (1, [0, 1, 2, 3]),
    ] {
      for source in MemoryConfiguration.Source.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: memoryLayer, retrievalLayers: layers, source: source, usesGate: true)
        let model = TinyModel(layers: 4, memory: memory, seed: UInt64(memoryLayer + layers.count))
        try check(model, TinySegment.script, "\(memoryLayer) \(layers) \(source)")
      }
    }
  }

  func testHeadLayouts() throws {
    for (queryHeads, keyValueHeads, headSize) in [(1, 1, 2), (4, 4, 4), (6, 1, 8), (3, 3, 20)] {
      let memory = MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: [1], positions: .continual, usesGate: true)
      let model = TinyModel(
        layers: 2, queryHeads: queryHeads, keyValueHeads: keyValueHeads, headSize: headSize,
        memory: memory)
      try check(model, TinySegment.script, "\(queryHeads)/\(keyValueHeads) heads of \(headSize)")
    }
  }

  /// A model of 8 positions: the segments and what they retrieve are longer.
  func testScaledRotationWithMemory() throws {
    let scalings: [JSONValue] = [
      ["rope_type": "linear", "factor": 4.0], ["rope_type": "dynamic", "factor": 2.0],
      ["rope_type": "yarn", "factor": 4.0],
      ["rope_type": "yarn", "factor": 8.0, "beta_fast": 3.0, "attention_factor": 1.25],
      [
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8,
      ],
    ]
    for rope in scalings {
      for positions in MemoryConfiguration.Positions.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: 1, retrievalLayers: [1, 2], positions: positions)
        let model = TinyModel(maximumPositions: 8, rope: rope, memory: memory)
        try check(model, TinySegment.script, "\(rope.encoded) \(positions)")
      }
    }
  }

  /// A pass for 200 tokens reads long, short and one-token segments; blocks longer than an attention
  /// tile have memories longer than one, too.
  func testSegmentsOfManyLengths() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1], positions: .continual)
    let model = TinyModel(layers: 2, maximumPositions: 1024, memory: memory)
    try check(
      model,
      [
        TinySegment(blocks: [], chunkLengths: [128, 72]),
        TinySegment(blocks: [(1, [0])], chunkLengths: [1]),
        TinySegment(blocks: [(140, [0, 1]), (1, [2]), (59, [1])], chunkLengths: [100, 100]),
        TinySegment(blocks: [(3, [0, 3]), (5, [])], chunkLengths: [8]),
        TinySegment(blocks: [(200, [0, 1, 2, 3, 4, 5])], chunkLengths: [200]),
      ], maximumTokens: 200, "long")
  }

  private func check(
    _ model: TinyModel, _ segments: [TinySegment], maximumTokens: Int = 12, _ what: String
  ) throws {
    let lane = try TinyLane(model, maximumTokens: maximumTokens)
    for (index, segment) in segments.enumerated() {
      if model.memory == nil {
        let (ours, blocks) = lane.draw(segment)
        lane.pass.forward(ours)
        expectClose(
          lane.pass.logits(Array(ours.tokens.indices)).flatMap { $0 },
          lane.reference.forward(ours.tokens, blocks: blocks).logits, 2e-5, what)
      } else {
        lane.check(segment, "\(what), segment \(index)")
      }
    }
  }
}
