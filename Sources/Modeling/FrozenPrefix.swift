import Kernels

/// Computes the frozen states of segments in the order of their rows.
///
/// They depend on the frozen layers, the plan and the chunks, not on how the chunks are dealt to lanes:
/// a memory holds what later rows of the plan read, whoever reads the rows between.
public struct FrozenPrefix: FrozenStateSource {
  /// The first layer that is not computed.
  public let layer: Int
  private let pass: DecoderPass
  private let precision: MemoryConfiguration.Precision
  private var memory: LaneMemory
  private var context: LaneContext?

  /// - Parameters:
  ///   - plan: empty for a decoder that reads no memory.
  ///   - segmentTokens: the longest segment.
  ///   - precision: of the residual stream that enters `layer`.
  ///   - context: nil where segments are read alone.
  ///   - documentTokens: the longest document; where there is a context.
  public init(
    _ decoder: Decoder, below layer: Int, plan: RetrievalPlan, segmentTokens: Int,
    precision: MemoryConfiguration.Precision, context: SlidingContext? = nil,
    documentTokens: Int = .max
  ) {
    self.layer = layer
    pass = DecoderPass(decoder, maximumTokens: segmentTokens)
    self.precision = precision
    memory = LaneMemory(plan: plan)
    self.context = context.map {
      LaneContext(
        $0, decoder, layers: 0..<layer, segmentTokens: segmentTokens,
        documentTokens: documentTokens)
    }
  }

  public mutating func next(for segment: PlannedSegment) throws -> FrozenStates {
    let blocks = try memory.blocks(of: segment)
    pass.forward(
      Segment(
        tokens: segment.tokens, targets: Segment.shifted(segment.tokens), blocks: blocks),
      below: layer, cache: context?.cache(before: segment))
    try memory.advance(past: segment, pass)
    let width = pass.configuration.hiddenSize
    let slots = pass.decoder.memory?.frozenSlots(below: layer) ?? []
    return FrozenStates(
      layer: layer, chunkLengths: segment.chunkLengths,
      hidden: StoredNumbers(
        pass.residual.floats, count: segment.tokens.count * width, precision: precision),
      chunks: segment.chunkLengths.indices.map { index in
        memory.bank[segment.firstRow + index].map { $0.only(slots) }
      })
  }
}

extension LaneMemory {
  /// - Throws: `ModelError` where `states` lack what a later segment reads: they are of another plan.
  public func check(_ states: FrozenStates, of segment: PlannedSegment) throws {
    for (index, chunk) in states.chunks.enumerated() {
      let row = segment.firstRow + index
      guard chunk != nil || !keeps(row: row, of: segment) else {
        throw ModelError("the frozen states have no keys and values of chunk row \(row)")
      }
    }
  }
}
