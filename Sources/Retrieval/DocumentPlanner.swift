import Embedding
import Indexing
import Kernels

/// A segment of a document as retrieval sees it: one block.
public struct SegmentText: Sendable {
  /// UTF-8 of each chunk.
  public var chunks: [[UInt8]]
  /// What the segment asks the memory for; empty retrieves nothing.
  public var query: [UInt8]

  public init(chunks: [[UInt8]], query: [UInt8]) {
    self.chunks = chunks
    self.query = query
  }
}

/// What a document's segments read from its own memory, planned in this process: the rules of
/// `ml-index` for a text that no shard holds.
public final class DocumentPlanner {
  /// Which live chunks are read. All but `nearest` need no retriever.
  public enum Choice: String, CaseIterable, Sendable {
    case nearest, recent, random
    /// Every live chunk, whatever k.
    case all
  }

  private let settings: MemorySettings
  private let choice: Choice
  private let workers: Workers
  private let embedder: RequestEmbedder?

  /// - Parameters:
  ///   - capacity: chunks that the memory holds.
  ///   - heldBack: the newest chunks that are not in memory yet, because the reader's context holds them.
  ///   - retriever: for `nearest`.
  ///   - threads: never changes a result.
  public init(
    choice: Choice, topK: Int, capacity: Int, eviction: Eviction, heldBack: Int = 0,
    retriever: Retriever?, threads: Int
  ) {
    precondition(choice != .nearest || retriever != nil)
    let selections: [Choice: Selection] = [.nearest: .nearest, .random: .random]
    settings = MemorySettings(
      topK: choice == .all ? Int.max : topK, capacity: capacity, eviction: eviction, reset: .never,
      selection: selections[choice] ?? .recent, heldBack: heldBack)
    self.choice = choice
    workers = Workers(threads: threads)
    embedder = choice == .nearest ? retriever.map { RequestEmbedder($0, threads: threads) } : nil
  }

  /// The blocks of `segments`, in order; rows count the document's chunks from 0.
  ///
  /// - Parameters:
  ///   - endsBeforeLast: the text ends before the last segment, and the context with it: what that reads
  ///     is in memory whole.
  ///   - seed: of random choice: give each document its own.
  /// - Throws: `IndexingError` when an inner product is not finite.
  public func blocks(
    of segments: [SegmentText], endsBeforeLast: Bool = false, seed: UInt64
  ) throws -> [PlannedBlock] {
    var settings = settings
    settings.seed = seed
    var blocks: [PlannedBlock] = []
    let vectors = try vectors(of: segments)
    let planner = MemoryPlanner(settings, dimension: vectors.dimension, workers: workers) {
      blocks.append($0)
    }
    for (number, segment) in segments.enumerated() {
      for index in segment.chunks.indices {
        try vectors.keys[planner.nextRow].withUnsafeBufferPointer { key in
          try vectors.queries[number].withUnsafeBufferPointer { query in
            try planner.append(
              key: key, query: index == 0 ? query : nil,
              document: endsBeforeLast && number == segments.count - 1 ? 1 : 0,
              segment: Int64(number))
          }
        }
      }
    }
    try planner.finish()
    return blocks
  }

  private struct Vectors {
    var dimension: Int
    var keys: [[Float]]
    var queries: [[Float]]
  }

  private func vectors(of segments: [SegmentText]) throws -> Vectors {
    guard let embedder else {
      // A control needs no vectors, but a query of zeros would retrieve nothing.
      let rows = segments.reduce(0) { $0 + $1.chunks.count }
      return Vectors(
        dimension: 1, keys: Array(repeating: [0], count: rows),
        queries: segments.map { [$0.query.isEmpty ? 0 : 1] })
    }
    try learn(segments, embedder)
    let dimension = embedder.retriever.dimension
    let zero = [Float](repeating: 0, count: dimension)
    return Vectors(
      dimension: dimension,
      keys: segments.flatMap { $0.chunks.map { known[RetrieverText($0, as: .key)] ?? zero } },
      queries: segments.map { known[RetrieverText($0.query, as: .query)] ?? zero })
  }

  /// Vectors of texts that were embedded: documents that are asked in turn, such as one haystack with a
  /// needle here or there, have most of their chunks in common.
  private var known: [RetrieverText: [Float]] = [:]
  /// About 2 kB each.
  private static let mostKnown = 1 << 14

  private func learn(_ segments: [SegmentText], _ embedder: RequestEmbedder) throws {
    if known.count > Self.mostKnown { known = [:] }
    let keep = { (request: EmbeddingRequest, vector: [Float]) in
      switch request {
      case .key(_, _, let text): self.known[RetrieverText(text, as: .key)] = vector
      case .query(_, let text): self.known[RetrieverText(text, as: .query)] = vector
      }
    }
    for segment in segments {
      if known[RetrieverText(segment.query, as: .query)] == nil {
        try embedder.append(.query(row: 0, text: segment.query), keep)
      }
      for text in segment.chunks where known[RetrieverText(text, as: .key)] == nil {
        try embedder.append(.key(document: 0, segment: 0, text: text), keep)
      }
    }
    try embedder.finish(keep)
  }
}
