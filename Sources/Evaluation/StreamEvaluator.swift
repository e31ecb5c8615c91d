import Modeling

/// Reads documents once, segment after segment, with the memory of everything before; a segment's
/// first token is scored by the previous segment's last state.
///
/// This is the `stream` protocol, where all but a document's first token are scored. In the `window`
/// protocol every window is a document, and its tokens from `firstScored` on are scored.
public final class StreamEvaluator {
  private let reading: ContextPass
  private var memory: LaneMemory
  private let firstScored: Int
  private var document: Int?
  /// Where the next segment starts in its document, and the loss of its first token.
  private var position = 0
  private var carried: Double?

  /// - Parameters:
  ///   - plan: empty for memory off.
  ///   - segmentTokens: the longest segment.
  ///   - documentTokens: the longest document; where there is a context.
  ///   - firstScored: the first token of a document that is scored, at least 1.
  public init(
    _ decoder: Decoder, plan: RetrievalPlan, segmentTokens: Int, documentTokens: Int = 0,
    context: LocalContext? = nil, firstScored: Int = 1
  ) {
    reading = ContextPass(
      decoder, context: context, segmentTokens: segmentTokens, documentTokens: documentTokens)
    memory = LaneMemory(plan: plan)
    self.firstScored = max(1, firstScored)
  }

  /// The negative log-likelihood in nats of each of the segment's tokens, nil where it is not scored.
  public func score(_ segment: PlannedSegment) throws -> [Double?] {
    let blocks = try memory.blocks(of: segment)
    if segment.document != document { begin(segment.document) }
    let firstTarget = position + 1
    let targets = Segment.shifted(segment.tokens, last: segment.nextToken).enumerated().map {
      firstTarget + $0 < firstScored ? -1 : $1
    }
    var losses = reading.losses(segment.tokens, targets: targets, blocks: blocks)[...]
    try memory.advance(past: segment, reading.pass)
    let next = targets.map { $0 < 0 ? nil : losses.removeFirst() }
    let result = [carried] + next.dropLast()
    carried = next.last ?? nil
    position += segment.tokens.count
    return result
  }

  private func begin(_ document: Int) {
    self.document = document
    (position, carried) = (0, nil)
    reading.begin()
  }
}
