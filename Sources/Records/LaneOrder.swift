/// How the published sampler deals a stream of segments to lanes: each lane has as many consecutive
/// ones, and step i reads the i-th of each. What is left over is dropped.
public struct LaneOrder: Equatable, Sendable {
  public let lanes: Int
  /// Segments of each lane.
  public let steps: Int
  /// Segments that no lane reads.
  public let dropped: Int

  /// - Parameter segments: of the whole stream.
  public init(segments: Int, lanes: Int) {
    precondition(segments >= 0 && lanes > 0)
    self.lanes = lanes
    (steps, dropped) = segments.quotientAndRemainder(dividingBy: lanes)
  }
}

/// Joins the chunks of packed streams to segments and leaves out those that are not full.
public struct FullSegments {
  private let reader: ChunkReader
  private var pending: [Chunk] = []
  private var batch: ArraySlice<Chunk> = []

  public init(_ reader: ChunkReader) { self.reader = reader }

  /// The chunks of the next segment of `segment_tokens` tokens, nil at the end.
  public mutating func next() throws -> [Chunk]? {
    while let chunk = try nextChunk() {
      if let first = pending.first,
        first.document != chunk.document || first.segment != chunk.segment
      {
        pending = []
      }
      pending.append(chunk)
      let tokens = pending.reduce(0) { $0 + $1.tokens.count }
      if tokens == reader.parameters.segmentTokens {
        defer { pending = [] }
        return pending
      }
    }
    return nil
  }

  private mutating func nextChunk() throws -> Chunk? {
    while batch.isEmpty {
      guard let more = try reader.next() else { return nil }
      batch = more.chunks[...]
    }
    return batch.removeFirst()
  }
}
