import Modeling

/// How a text that grows is cut, in tokens, and what of it stands in the context: whole chunks leave it,
/// oldest first, when the next segment does not fit; the sinks never do.
public struct ReadingSizes: Sendable, Equatable {
  /// g: tokens of a chunk.
  public var chunk: Int
  /// Tokens of one forward pass over a text, a multiple of `chunk` and of `block`.
  public var segment: Int
  /// Tokens that share one retrieval.
  public var block: Int
  /// The most tokens of a query.
  public var query: Int
  /// Its sinks, a segment and a chunk fit.
  public var context: SlidingContext

  public init(chunk: Int, segment: Int, block: Int, query: Int, context: SlidingContext) {
    precondition(chunk > 0 && block > 0 && query > 0 && context.sinks >= 0)
    precondition(segment >= chunk && segment % chunk == 0 && segment % block == 0)
    precondition(context.tokens - context.sinks >= segment + chunk)
    self.chunk = chunk
    self.segment = segment
    self.block = block
    self.query = query
    self.context = context
  }

  /// Of a text of so many tokens, those that are read before a question: whole segments.
  public func read(of tokens: Int) -> Int { tokens / segment * segment }

  /// How many of the first tokens have left the context for `end` to be in it, sinks among them:
  /// a multiple of `chunk`.
  public func departed(_ end: Int) -> Int {
    guard end > context.tokens else { return 0 }
    let excess = end - (context.tokens - context.sinks)
    return (excess + chunk - 1) / chunk * chunk
  }

  /// How many tokens the cache holds when so many have been read.
  public func cached(_ read: Int) -> Int {
    let departed = departed(read)
    return read - max(0, departed - context.sinks)
  }

  /// Where the token stands in the cache, once so many have left: of a sink, behind the last one.
  func place(of token: Int, departed: Int) -> Int {
    max(token, context.sinks) - max(0, departed - context.sinks)
  }
}
