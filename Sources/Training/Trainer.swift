import Kernels
import Modeling

/// Trains a decoder's adapters over lanes of segments that follow a retrieval plan.
///
/// The result depends on the model, the data, the plan, the options and the seed; not on threads.
public final class Trainer {
  public let decoder: Decoder
  let options: TrainingOptions
  private let pass: DecoderPass
  let optimizer: Optimizer
  var lanes: [Lane]
  var microStep = 0
  /// Tokens read so far.
  public internal(set) var tokens = 0

  struct Lane {
    var source: any SegmentSource
    /// What the frozen layers make of the source's segments, where they are not to be computed.
    var states: (any FrozenStateSource)?
    var memory: LaneMemory
    var context: LaneContext?
    var isDone = false
    /// The row after the last segment that was read.
    var nextRow: Int?
  }

  /// - Parameters:
  ///   - decoder: with its adapters in place; the mode decides which of them are trained.
  ///   - sources: one a lane.
  ///   - states: one a lane, or none: then the frozen layers are computed with every segment.
  ///   - plan: empty for training without memory.
  ///   - segmentTokens: the longest segment.
  ///   - documentTokens: the longest document; where there is a context.
  public init(
    decoder: Decoder, options: TrainingOptions, sources: [any SegmentSource],
    states: [any FrozenStateSource] = [], plan: RetrievalPlan, segmentTokens: Int,
    documentTokens: Int = .max
  ) throws {
    precondition(states.isEmpty || states.count == sources.count)
    self.decoder = decoder
    self.options = options
    let layers = options.mode.trainedLayers(
      memoryLayer: decoder.memory?.memoryLayer ?? 0, layerCount: decoder.configuration.layerCount)
    try decoder.train(
      layers: layers, extras: options.adapter.extras, weights: options.mode.trainsWeights)
    pass = DecoderPass(decoder, maximumTokens: segmentTokens, training: true)
    optimizer = Optimizer(
      decoder.parameters, options: options.optimizer, workers: decoder.compute.workers)
    let run = (states.first?.layer ?? 0)..<decoder.layers.count
    lanes = sources.enumerated().map { index, source in
      Lane(
        source: source, states: states.isEmpty ? nil : states[index],
        memory: LaneMemory(plan: plan),
        context: options.context.map {
          LaneContext(
            $0, decoder, layers: run, segmentTokens: segmentTokens, documentTokens: documentTokens)
        })
    }
  }

  /// Optimiser steps taken.
  public var steps: Int { optimizer.step }

  public var trainedValues: Int { optimizer.parameters.reduce(0) { $0 + $1.count } }

  /// One optimiser step over up to `accumulation` micro-steps; nil when every lane has ended.
  ///
  /// A last, shorter group of micro-steps is averaged over what it has.
  public func step() throws -> StepReport? {
    let groups = try readGroups()
    guard !groups.isEmpty else { return nil }
    var (loss, targets, hits, age) = (0.0, 0, 0, 0)
    for group in groups {
      let scored = group.reduce(0) { $0 + max(0, $1.segment.tokens.count - 1) }
      let scale = 1 / Float(max(1, scored) * groups.count)
      for item in group {
        let result = try train(item, scale: scale)
        loss += result.loss
        hits += result.hits
        age += result.age
        tokens += item.segment.tokens.count
      }
      targets += scored
      microStep += 1
    }
    let rate = options.schedule.rate(step: optimizer.step)
    let norm = optimizer.step(learningRate: rate)
    return StepReport(
      step: optimizer.step, loss: loss / Double(max(1, targets)), learningRate: rate,
      gradientNorm: norm, tokens: tokens, hits: hits,
      meanHitAge: hits > 0 ? Double(age) / Double(hits) : nil,
      bankChunks: lanes.reduce(0) { $0 + $1.memory.bank.count })
  }

  private typealias Item = (lane: Int, segment: PlannedSegment)

  /// The next `accumulation` micro-steps: of every lane that has not ended, one segment each.
  private func readGroups() throws -> [[Item]] {
    var groups: [[Item]] = []
    for _ in 0..<options.accumulation {
      var group: [Item] = []
      for index in lanes.indices where !lanes[index].isDone {
        if let segment = try lanes[index].source.next() {
          group.append((index, segment))
          lanes[index].nextRow = segment.firstRow + segment.chunkLengths.count
        } else {
          lanes[index].isDone = true
        }
      }
      guard !group.isEmpty else { break }
      groups.append(group)
    }
    return groups
  }

  /// Forward, backward and memory of one segment.
  private func train(_ item: Item, scale: Float) throws -> (
    loss: Double, hits: Int, age: Int
  ) {
    let blocks = try lanes[item.lane].memory.blocks(of: item.segment)
    let hits = lanes[item.lane].memory.hits(of: item.segment)
    let segment = Segment(
      tokens: item.segment.tokens, targets: Segment.shifted(item.segment.tokens), blocks: blocks)
    let cache = lanes[item.lane].context?.cache(before: item.segment)
    let dropoutSeed = dropoutSeed(lane: item.lane)
    if let states = try lanes[item.lane].states?.next(for: item.segment) {
      try lanes[item.lane].memory.check(states, of: item.segment)
      pass.forward(segment, from: states, dropoutSeed: dropoutSeed, cache: cache)
    } else {
      pass.forward(segment, dropoutSeed: dropoutSeed, cache: cache)
    }
    let loss = pass.backward(segment.targets, scale: scale)
    try lanes[item.lane].memory.advance(past: item.segment, pass)
    return (loss, hits.count, hits.age)
  }

  private func dropoutSeed(lane: Int) -> UInt64 {
    let position = UInt64(microStep) &* UInt64(options.lanes) &+ UInt64(lane) &+ 1
    return options.seed &* 0xD129_0D3F_9AB4_6F4D &+ position &* 0x9E37_79B9_7F4A_7C15
  }
}
