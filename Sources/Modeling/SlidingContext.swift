import Safetensors

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

  /// Whether it has room for a segment beside its sinks.
  public func holds(segmentTokens: Int) -> Bool { tokens - sinks >= segmentTokens }

  /// The most tokens that attention spans where the longest document has `longest`.
  public func span(longestDocument longest: Int) -> Int { min(tokens, longest) }

  /// What a plan made for it leaves to it: `ml-index --context`.
  public var plannedTokens: Int { tokens - sinks }

  /// The most tokens, beside the sinks, that a whole segment has before it.
  public func tokensBefore(segmentTokens: Int) -> Int { plannedTokens - segmentTokens }
}

extension SlidingContext {
  /// From the fields of an adapter's `config.json`; nil where it has none: segments were read alone.
  ///
  /// - Throws: `ModelError` naming the field.
  public init?(published json: JSONValue) throws {
    let fields = ConfigurationFields(json)
    guard fields.has("context_tokens") else { return nil }
    tokens = try fields.integer("context_tokens", in: 1...Int(Int32.max))
    sinks = try fields.integer("sinks", in: 0...tokens - 1, default: 0)
  }

  /// The fields, to stand beside the memory's.
  public var published: [String: JSONValue] {
    ["context_tokens": .integer(Int64(tokens)), "sinks": .integer(Int64(sinks))]
  }
}
