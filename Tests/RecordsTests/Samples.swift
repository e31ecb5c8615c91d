import Records
import Safetensors
import ShardIO
import TestSupport

/// Small shards of every kind.
enum Samples {
  static let parameters = ChunkParameters(
    chunkTokens: 4, segmentTokens: 8, pack: "document", sources: ["books", "wîki"],
    tokenizer: TokenizerIdentity(name: "bpe", vocabularySize: 1000, digest: "ab"))

  static func chunks(_ count: Int, seed: UInt64 = 1) -> [Chunk] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { index in
      Chunk(
        tokens: random.integers(1 + index % 4, in: 0..<1000).map { Int32($0) },
        document: Int64(index / 5), ordinal: Int32(index % 5), segment: Int32(index % 5 / 2),
        source: UInt8(index % 2), text: Array("chunk ü \(index)".utf8))
    }
  }

  static func chunkShard(
    _ chunks: [Chunk], parameters: ChunkParameters = parameters, provenance: Provenance? = nil
  ) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ChunkWriter(sink: sink, parameters: parameters, provenance: provenance)
    for chunk in chunks { try writer.append(chunk) }
    try writer.finish()
    return sink.bytes
  }

  static let digest = Digest.combining([])

  static func embeddingParameters(_ dimension: Int) -> EmbeddingParameters {
    EmbeddingParameters(
      dimension: dimension, modelName: "minilm", modelDigest: "cd", query: "previous",
      queryTokens: 64, blockTokens: 8, chunkTokens: 4, segmentTokens: 8, pack: "document")
  }

  /// `count` keys of halves, a query for every second row.
  static func embeddingShard(
    _ count: Int, dimension: Int = 3, wide: Bool = false, digest: Digest = digest
  ) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = EmbeddingWriter(
      sink: sink, parameters: embeddingParameters(dimension), valueType: wide ? .F32 : .F16,
      provenance: nil)
    for row in 0..<count {
      if row % 2 == 0 {
        try writer.appendQuery(row: row, [Float](repeating: Float(-row), count: dimension))
      }
      try writer.append(
        key: [Float](repeating: Float(row), count: dimension), document: Int64(row / 5),
        segment: Int32(row % 5 / 2))
    }
    try writer.finish(chunksDigest: digest)
    return sink.bytes
  }

  static let planParameters = PlanParameters(
    topK: 3, memoryTokens: 64, eviction: "counter", reset: "document", select: "nearest", seed: 5,
    query: "previous", queryTokens: 64, blockTokens: 8, chunkTokens: 4, segmentTokens: 8)

  static func planRows(_ count: Int) -> [PlanRow] {
    (0..<count).map { (index: Int) -> PlanRow in
      let found = [2 * index - 6, 2 * index - 4, 2 * index - 2].filter { $0 >= 0 }
      return PlanRow(
        row: Int64(index * 2), neighbours: found.map { Int64($0) },
        scores: found.map { Float($0) / 8 }, live: Int32(index * 2),
        evicted: index % 3 == 2 ? [Int64(index), Int64(index) + 1] : [])
    }
  }

  static func planShard(_ rows: [PlanRow], chunkRows: Int) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = PlanWriter(sink: sink, parameters: planParameters, provenance: nil)
    for row in rows { try writer.append(row) }
    try writer.finish(chunksDigest: digest, embeddingsDigest: digest, chunkRows: chunkRows)
    return sink.bytes
  }

  static func scoreRows(_ count: Int) -> [ScoreRow] {
    (0..<count).map { (index: Int) -> ScoreRow in
      ScoreRow(
        row: Int64(index / 4), offset: Int32(index % 4), nll: Float(index) / 3,
        scored: index % 4 != 0)
    }
  }

  static func scoreShard(_ rows: [ScoreRow], chunkRows: Int = 100) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ScoreWriter(
      sink: sink, parameters: ScoreParameters(model: "m", adapter: "a", protocolName: "stream"),
      provenance: nil)
    for row in rows { try writer.append(row) }
    try writer.finish(planDigest: digest, chunkRows: chunkRows)
    return sink.bytes
  }

  static func stateParameters(
    layers: [Int], type: ElementType = .BF16, width: Int = 2
  ) -> StateParameters {
    StateParameters(
      layer: 4, hiddenSize: width, hiddenType: type, memoryLayers: layers, memoryWidth: 3,
      memoryType: .F32, model: "ab", chunksDigest: digest, planDigest: nil)
  }

  /// Chunks of one to four tokens, every second one kept.
  static func stateRows(_ count: Int, _ parameters: StateParameters) -> [StateRow] {
    func bytes(_ first: Int, _ count: Int, _ type: ElementType) -> [UInt8] {
      let values = (0..<count).map { Float(first + $0 % 100) / 4 }
      if type == .F32 { return values.withUnsafeBytes { Array($0) } }
      return values.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { Array($0) }
    }
    return (0..<count).map { row in
      let tokens = 1 + row % 4
      let memory = parameters.memoryLayers.map { layer in
        StateRow.Memory(
          keys: bytes(row + layer, tokens * 3, .F32), values: bytes(-row, tokens * 3, .F32))
      }
      return StateRow(
        tokens: tokens,
        hidden: bytes(row, tokens * parameters.hiddenSize, parameters.hiddenType),
        memory: row % 2 == 0 ? memory : nil)
    }
  }

  static func stateShard(_ rows: [StateRow], _ parameters: StateParameters) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = StateWriter(sink: sink, parameters: parameters)
    for row in rows { try writer.append(row) }
    try writer.finish()
    return sink.bytes
  }
}
