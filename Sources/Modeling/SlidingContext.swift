/// The tokens before a segment that its queries attend to as they stand, beside any memory: the nearest
/// ones, and the document's first (sinks), without which a sliding window fails (arXiv 2309.17453).
public struct SlidingContext: Sendable, Equatable {
  /// The most tokens that attention spans, the segment and the sinks among them.
  public var tokens: Int
  /// The document's first tokens that stay when older ones go.
  public var sinks: Int

  public init(tokens: Int, sinks: Int) {
    self.tokens = tokens
    self.sinks = sinks
  }

  /// Twice a segment and four sinks.
  public static func standard(segmentTokens: Int) -> SlidingContext {
    SlidingContext(tokens: 2 * segmentTokens + standardSinks, sinks: standardSinks)
  }

  public static let standardSinks = 4

  /// What a plan made for it leaves to it: `ml-index --context`.
  public var plannedTokens: Int { tokens - sinks }
}
