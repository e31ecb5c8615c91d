import Evaluation
import ModelSupport
import Modeling
import Records
import Safetensors
import ShardIO
import ToolSupport

/// Scores a chunk stream with one system and gathers the sums.
struct ScoringRun {
  let model: LoadedModel
  let plan: LoadedPlan?
  let input: ChunkInput
  let window: WindowProtocol?
  let context: ContextLabel?
  let ropeScaling: String?
  let scores: ScoreWriter?
  private var sums = LanguageModelAccumulator()
  private var windows = WindowPlaces()

  init(
    model: LoadedModel, plan: LoadedPlan?, input: ChunkInput, window: WindowProtocol?,
    context: ContextLabel?, ropeScaling: String?, scores: ScoreWriter?
  ) {
    self.model = model
    self.plan = plan
    self.input = input
    self.window = window
    self.context = context
    self.ropeScaling = ropeScaling
    self.scores = scores
  }

  mutating func score(quiet: Bool) throws {
    let census = input.census
    let evaluator = StreamEvaluator(
      model.decoder, plan: plan?.plan ?? RetrievalPlan(), segmentTokens: census.longestSegment,
      documentTokens: census.longestDocument, context: context?.rules,
      firstScored: window?.firstScored ?? 1)
    var lane = LaneReader(try input.open(), rows: 0..<census.rows)
    let progress = Progress("tokens", total: census.tokens, quiet: quiet)
    var done = 0
    while let segment = try lane.next() {
      let losses = try evaluator.score(segment)
      try record(segment, losses, texts: lane.texts, at: place(of: segment, in: lane))
      done += segment.tokens.count
      progress.update(done)
    }
    progress.finish()
  }

  /// The document that a segment's losses count for, and where it starts there: a window stands for
  /// the document that it is of.
  private mutating func place(
    of segment: PlannedSegment, in lane: LaneReader
  ) -> (document: Int, position: Int) {
    guard let window, let origin = lane.origin else { return (segment.document, lane.position) }
    let isNew = windows.enter(window: segment.document, of: Int(origin))
    if isNew { sums.endText(document: Int(origin)) }
    return (Int(origin), window.start(of: windows.index) + lane.position)
  }

  /// Files a segment's losses under its chunks and its document.
  private mutating func record(
    _ segment: PlannedSegment, _ losses: [Double?], texts: [[UInt8]],
    at place: (document: Int, position: Int)
  ) throws {
    var token = 0
    for (index, length) in segment.chunkLengths.enumerated() {
      let own = losses[token..<token + length]
      let isScored = own.contains { $0 != nil }
      sums.addChunk(document: place.document, tokens: length, text: isScored ? texts[index] : [])
      for (offset, loss) in own.enumerated() {
        if let loss {
          sums.add(
            document: place.document, position: place.position + token + offset, nll: loss)
        }
        try scores?.append(
          ScoreRow(
            row: Int64(segment.firstRow + index), offset: Int32(offset), nll: Float(loss ?? 0),
            scored: loss != nil))
      }
      token += length
    }
  }

  func finishScores() throws {
    try scores?.finish()
  }

  func result(
    dataSet: String?, seconds: Double, provenance: Provenance
  ) throws -> LanguageModelResult {
    try LanguageModelResult(
      toolVersion: toolVersion, window: window, system: label, dataSet: dataSet,
      chunksDigest: input.census.digest.description,
      documents: sums.documents, seconds: seconds,
      provenance: try JSONValue(parsing: provenance.encoded))
  }

  private var label: SystemLabel {
    SystemLabel(
      model: .init(name: model.model.name, digest: model.model.digest),
      adapter: model.adapter.map { .init(name: $0.name, digest: $0.digest) },
      memory: plan.map { plan in
        let p = plan.parameters
        return MemoryLabel(
          planDigest: plan.digest.description,
          selection: MemoryLabel.Selection(rawValue: p.select) ?? .nearest,
          query: MemoryLabel.Query(rawValue: p.query) ?? .none, queryTokens: p.queryTokens,
          blockTokens: p.blockTokens, topK: p.topK, memoryTokens: p.memoryTokens,
          eviction: p.eviction, reset: p.reset, seed: Int(clamping: p.seed),
          layout: model.decoder.memory,
          layoutName: model.decoder.memory?.layout(layerCount: model.decoder.layers.count),
          recentChunks: p.recentChunks,
          contextTokens: p.contextTokens)
      }, context: context, ropeScaling: ropeScaling)
  }
}
