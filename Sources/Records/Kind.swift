/// What the rows of a shard are.
public enum Kind: String, CaseIterable, Sendable {
  case chunks, embeddings, plan, scores, memory, states

  /// The zstd level that the measurements favour: token ids gain from 3, vectors hardly compress.
  public var compressionLevel: Int {
    switch self {
    case .chunks, .plan, .scores: 3
    case .embeddings, .memory, .states: 1
    }
  }
}

/// Writers close a block before the row that would follow this many bytes of tensors; the rule
/// looks at the data only, so that the bytes of a shard do too.
let blockTarget = 4 << 20
