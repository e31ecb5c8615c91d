import Modeling

/// What a segment attends to of the text before it in its document, beside any memory.
public struct LocalContext: Equatable, Sendable {
  public enum Mode: String, Sendable, CaseIterable {
    /// The keys and values of the text before are kept, with the states they had when it was read.
    case slide
    /// The text before is read anew with every segment, so that its states see nothing older.
    case reread
  }

  /// The most tokens that attention spans, the segment among them; nil: the whole document.
  public var tokens: Int?
  public var mode: Mode
  /// The document's first tokens that stay when older ones go (StreamingLLM, arXiv 2309.17453).
  public var sinks: Int

  public init(tokens: Int?, mode: Mode = .slide, sinks: Int = 0) {
    precondition(tokens ?? 1 > 0 && sinks >= 0)
    self.tokens = tokens
    self.mode = mode
    self.sinks = sinks
  }

  /// What a plan made for it leaves to it: `ml-index --context`; nil: the whole document.
  public var plannedTokens: Int? { tokens.map { $0 - sinks } }

  /// The most tokens that attention spans where the longest document has `longest`.
  public func span(longestDocument longest: Int) -> Int { min(tokens ?? longest, longest) }

  /// The most tokens that the cache holds; 0 where there is none.
  public func cacheTokens(longestDocument longest: Int) -> Int {
    mode == .slide ? span(longestDocument: longest) : 0
  }
}

/// Runs the segments of documents, each over the local context before it.
final class ContextPass {
  let pass: DecoderPass
  private let context: LocalContext?
  private let span: Int
  private let cache: LocalCache?
  /// The tokens before the next segment that are read again with it.
  private var before: [Int32] = []

  /// - Parameters:
  ///   - segmentTokens: the longest segment; with the sinks it must not be longer than the context.
  ///   - documentTokens: the longest document.
  init(_ decoder: Decoder, context: LocalContext?, segmentTokens: Int, documentTokens: Int) {
    self.context = context
    span = max(context?.span(longestDocument: documentTokens) ?? 0, segmentTokens)
    precondition((context?.sinks ?? 0) + segmentTokens <= context?.tokens ?? .max)
    let rereads = context?.mode == .reread
    pass = DecoderPass(decoder, maximumTokens: rereads ? span : segmentTokens)
    cache = context?.mode == .slide ? LocalCache(decoder, capacity: span) : nil
  }

  /// Forgets the text before: a document begins.
  func begin() {
    if let cache { cache.remove(0..<cache.count) }
    before = []
  }

  /// The losses of the targets that are not −1, in order.
  func losses(_ tokens: [Int32], targets: [Int32], blocks: [Segment.Block]) -> [Double] {
    guard context?.mode == .reread else {
      cache?.makeRoom(for: tokens.count, sinks: context?.sinks ?? 0, limit: span)
      pass.forward(Segment(tokens: tokens, targets: targets, blocks: blocks), cache: cache)
      return pass.losses(targets)
    }
    precondition(blocks.isEmpty, "memory and a context that is read again")
    let read = before.suffix(span - tokens.count) + tokens
    let all = [Int32](repeating: -1, count: read.count - tokens.count) + targets
    pass.forward(Segment(tokens: read, targets: all))
    before = read
    return pass.losses(all)
  }
}
