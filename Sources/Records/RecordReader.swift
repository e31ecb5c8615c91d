import ShardIO

/// A reader of whichever kind the input is.
public enum RecordReader {
  case chunks(ChunkReader)
  case embeddings(EmbeddingReader)
  case plan(PlanReader)
  case scores(ScoreReader)
  case memory(MemoryReader)
  case states(StateReader)

  /// Reads block 0.
  public init(sources: [any ByteSource]) throws {
    let reader = try KindReader(sources: sources, kind: nil)
    switch reader.kind {
    case .chunks: self = .chunks(try ChunkReader(reader))
    case .embeddings: self = .embeddings(try EmbeddingReader(reader))
    case .plan: self = .plan(try PlanReader(reader))
    case .scores: self = .scores(try ScoreReader(reader))
    case .memory: self = .memory(try MemoryReader(reader))
    case .states: self = .states(try StateReader(reader))
    }
  }

  /// Checks some more rows as reading them does; false at the end.
  public func skip() throws -> Bool {
    switch self {
    case .chunks(let reader): try reader.skip()
    case .embeddings(let reader): try reader.skip()
    case .plan(let reader): try reader.skip()
    case .scores(let reader): try reader.skip()
    case .memory(let reader): try reader.skip()
    case .states(let reader): try reader.skip()
    }
  }
}
