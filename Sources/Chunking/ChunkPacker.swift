/// Where chunks may begin and end.
public enum Packing: String, Sendable, CaseIterable {
  /// A document's tokens fill chunks and segments of its own; its last chunk may be short.
  case document
  /// Documents follow each other in one stream of tokens, and chunks cross their borders. The
  /// whole stream then counts as one document; its last chunk may be short.
  case stream
}

/// A chunk of token ids and its place.
public struct PackedChunk: Equatable, Sendable {
  public var tokens: [Int32]
  /// Number of the document that has tokens, from 0; always 0 where documents are packed.
  public var document: Int64
  /// Numbers of the chunk and of its segment in the document, from 0.
  public var ordinal: Int32
  public var segment: Int32
  /// That of the document which the chunk's first token is from.
  public var source: UInt8
  /// Where `document` is a window: the number of the document that it is a window of.
  public var origin: Int64?

  public init(
    tokens: [Int32], document: Int64, ordinal: Int32, segment: Int32, source: UInt8,
    origin: Int64? = nil
  ) {
    self.tokens = tokens
    self.document = document
    self.ordinal = ordinal
    self.segment = segment
    self.source = source
    self.origin = origin
  }
}

/// Cuts documents as they come.
public protocol DocumentPacker: Sendable {
  typealias Sink = (PackedChunk) throws -> Void

  /// Adds a document and hands over the chunks that it completes.
  mutating func append(_ ids: [Int32], source: UInt8, to sink: Sink) throws

  /// Hands over what the last document left.
  mutating func finish(to sink: Sink) throws
}

/// Cuts documents into chunks. A document without tokens leaves no trace.
public struct ChunkPacker: DocumentPacker {
  private let chunkTokens: Int
  private let chunksPerSegment: Int
  private let packing: Packing
  private let separator: Int32?
  private var document: Int64 = 0
  private var ordinal = 0
  private var pending: [Int32] = []  // of packing .stream: less than one chunk
  private var pendingSource: UInt8 = 0

  /// - Parameters:
  ///   - segmentTokens: a multiple of `chunkTokens`.
  ///   - separator: with `.stream`, the token put between two documents, of the second one's
  ///     source.
  public init(chunkTokens: Int, segmentTokens: Int, packing: Packing, separator: Int32? = nil) {
    precondition(chunkTokens > 0 && segmentTokens > 0 && segmentTokens % chunkTokens == 0)
    self.chunkTokens = chunkTokens
    self.packing = packing
    self.separator = separator
    chunksPerSegment = segmentTokens / chunkTokens
  }

  public mutating func append(_ ids: [Int32], source: UInt8, to sink: Sink) throws {
    if ids.isEmpty { return }
    switch packing {
    case .document:
      ordinal = 0
      try emit(ids[...], source: source, all: true, to: sink)
      document += 1
    case .stream:
      if let separator, ordinal > 0 || !pending.isEmpty {
        try extend([separator], source: source, to: sink)
      }
      try extend(ids[...], source: source, to: sink)
    }
  }

  /// Hands over the last, short chunk of a stream.
  public mutating func finish(to sink: Sink) throws {
    try emit(pending[...], source: pendingSource, all: true, to: sink)
    pending = []
  }

  private mutating func extend(
    _ ids: ArraySlice<Int32>, source: UInt8, to sink: Sink
  ) throws {
    var ids = ids
    if !pending.isEmpty {
      let taken = ids.prefix(chunkTokens - pending.count)
      pending += taken
      ids = ids.dropFirst(taken.count)
      guard pending.count == chunkTokens else { return }
      try emit(pending[...], source: pendingSource, all: false, to: sink)
      pending = []
    }
    let rest = try emit(ids, source: source, all: false, to: sink)
    pending = Array(rest)
    pendingSource = source
  }

  /// Hands over full chunks, and with `all` the short one behind them; returns what is left.
  @discardableResult
  private mutating func emit(
    _ ids: ArraySlice<Int32>, source: UInt8, all: Bool, to sink: Sink
  ) throws -> ArraySlice<Int32> {
    var ids = ids
    while ids.count >= chunkTokens || (all && !ids.isEmpty) {
      guard let number = Int32(exactly: ordinal) else {
        throw DocumentError("more than 2^31 chunks in one document or stream")
      }
      let tokens = ids.prefix(chunkTokens)
      try sink(
        PackedChunk(
          tokens: Array(tokens), document: document, ordinal: number,
          segment: Int32(ordinal / chunksPerSegment), source: source))
      ids = ids.dropFirst(tokens.count)
      ordinal += 1
    }
    return ids
  }
}
