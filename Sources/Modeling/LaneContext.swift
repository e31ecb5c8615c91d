/// The text before the segments of one lane, as it was when it was read: what each of them continues.
///
/// A document begins with none.
public struct LaneContext {
  private let cache: LocalCache
  private let sinks: Int
  private var document: Int?

  /// - Parameters:
  ///   - layers: those that are run.
  ///   - segmentTokens: the longest segment; with the sinks it must not be longer than the context.
  ///   - documentTokens: the longest document.
  public init(
    _ context: SlidingContext, _ decoder: Decoder, layers: Range<Int>, segmentTokens: Int,
    documentTokens: Int
  ) {
    precondition(context.holds(segmentTokens: segmentTokens))
    let span = context.span(longestDocument: documentTokens)
    cache = LocalCache(decoder, capacity: max(span, segmentTokens), layers: layers)
    sinks = context.sinks
  }

  /// What `segment` continues, with room for it.
  public mutating func cache(before segment: PlannedSegment) -> LocalCache {
    if segment.document != document { cache.remove(0..<cache.count) }
    document = segment.document
    cache.makeRoom(for: segment.tokens.count, sinks: sinks, limit: cache.capacity)
    return cache
  }

  /// Where a lane's context stands between two segments. The keys and values are those of the context
  /// itself, which its next segment changes.
  public struct State: Sendable {
    /// Of the last segment that was read; nil before the first.
    public var document: Int?
    /// Tokens, and their keys and values by layer.
    public var tokens: Int
    public var layers: [LayerCache]

    public init(document: Int?, tokens: Int, layers: [LayerCache]) {
      self.document = document
      self.tokens = tokens
      self.layers = layers
    }
  }

  public var state: State {
    State(document: document, tokens: cache.count, layers: cache.layers.map { cache[$0] })
  }

  /// Goes on from `state`.
  ///
  /// - Throws: `ModelError` when the state is of another context.
  public mutating func restore(_ state: State) throws {
    guard state.tokens <= cache.capacity, state.layers.count == cache.layers.count else {
      throw ModelError(
        "a context of \(state.tokens) tokens in \(state.layers.count) layers, where the run has "
          + "\(cache.capacity) in \(cache.layers.count)")
    }
    document = state.document
    cache.restore(count: state.tokens, from: state.layers)
  }
}
