import Modeling

/// The `stream` protocol: a document is read once, segment after segment, with the memory of
/// everything before; a segment's first token is scored by the previous segment's last state, so all
/// but a document's first token are scored.
public final class StreamEvaluator {
  private let pass: DecoderPass
  private var memory: LaneMemory
  /// The loss of the next segment's first token, and the document it belongs to.
  private var carried: (document: Int, loss: Double)?

  /// - Parameters:
  ///   - plan: empty for memory off.
  ///   - segmentTokens: the longest segment.
  public init(_ decoder: Decoder, plan: RetrievalPlan, segmentTokens: Int) {
    pass = DecoderPass(decoder, maximumTokens: segmentTokens)
    memory = LaneMemory(plan: plan)
  }

  /// The negative log-likelihood in nats of each of the segment's tokens, nil for a document's first.
  public func score(_ segment: PlannedSegment) throws -> [Double?] {
    let blocks = try memory.blocks(of: segment)
    let targets = Segment.shifted(segment.tokens, last: segment.nextToken)
    pass.forward(Segment(tokens: segment.tokens, targets: targets, blocks: blocks))
    let losses = pass.losses(targets)
    memory.advance(past: segment, pass)
    let first = carried?.document == segment.document ? carried?.loss : nil
    let count = segment.tokens.count
    carried =
      segment.nextToken >= 0 ? losses.last.map { (segment.document, $0) } : nil
    return [first] + losses.prefix(count - 1).map(Optional.some)
  }
}
