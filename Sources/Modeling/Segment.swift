import Kernels

/// One forward pass' worth of tokens with what each retrieval block reads from memory.
public struct Segment: Sendable {
  /// A span of queries that reads one retrieved set, in time order (DESIGN §1.2).
  public struct Block: Sendable {
    public var queries: Range<Int>
    public var chunks: [MemoryChunk]

    public init(queries: Range<Int>, chunks: [MemoryChunk]) {
      self.queries = queries
      self.chunks = chunks
    }
  }

  public var tokens: [Int32]
  /// targets[t] is the token that position t must predict, −1 where nothing is scored.
  public var targets: [Int32]
  /// In order, covering every position; empty for plain local attention.
  public var blocks: [Block]

  public init(tokens: [Int32], targets: [Int32], blocks: [Block] = []) {
    precondition(tokens.count == targets.count)
    self.tokens = tokens
    self.targets = targets
    self.blocks = blocks
  }

  /// The targets of a language model within one segment: each position predicts the next token.
  public static func shifted(_ tokens: [Int32], last: Int32 = -1) -> [Int32] {
    Array(tokens.dropFirst()) + (tokens.isEmpty ? [] : [last])
  }
}
