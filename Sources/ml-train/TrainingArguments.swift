import ArgumentParser
import ModelSupport
import Modeling
import ToolSupport
import Training

extension TrainingMode: ExpressibleByArgument {}
extension LearningRateSchedule.Shape: ExpressibleByArgument {}

/// The hyper-parameters of a run. Where an option is not given, the stage's published value holds.
struct TrainingArguments: ParsableArguments {
  @Option(help: "1 warms up (lora-all), 2 trains for retrieval (lora-freeze).")
  var stage = 2

  @Option(help: "lora-all, lora-freeze, partial-lora or partial-freeze. (default: the stage's)")
  var mode: TrainingMode?

  @Option(help: ArgumentHelp("Rank of the adapters.", valueName: "N"))
  var loraRank = 64

  @Option(help: ArgumentHelp("Adapters are scaled by alpha / rank.", valueName: "A"))
  var loraAlpha = 8.0

  @Option(help: ArgumentHelp("Share of the adapters' inputs that is dropped.", valueName: "P"))
  var loraDropout = 0.05

  @Option(
    help: ArgumentHelp(
      "Adapted linear layers; of Phi-3, q_proj,k_proj,v_proj are its qkv_proj.", valueName: "NAMES")
  )
  var loraTargets = "q_proj,k_proj,v_proj,o_proj"

  @Option(
    help: ArgumentHelp("Tensors trained whole: norm, embed, gate; or none.", valueName: "NAMES"))
  var trainAlso = "norm"

  @Option(help: ArgumentHelp("Peak learning rate.", valueName: "RATE"))
  var learningRate = 5e-5

  @Option(help: "warmup-log, warmup-linear, cosine or constant.")
  var schedule = LearningRateSchedule.Shape.warmupLog

  @Option(help: ArgumentHelp("Optimiser steps of warm-up.", valueName: "N"))
  var warmupSteps = 1000

  @Option(
    help: ArgumentHelp("AdamW's decay. (default: stage 1 0, stage 2 1e-4)", valueName: "W"))
  var weightDecay: Double?

  @Flag(
    inversion: .prefixedNo, help: "Let norms and gates decay like matrices, as published.")
  var decayVectors = true

  @Option(help: ArgumentHelp("Largest global gradient norm; 0: no clipping.", valueName: "NORM"))
  var clip = 1.0

  @Option(help: ArgumentHelp("Micro-steps that one optimiser step averages.", valueName: "N"))
  var accumulation = 8

  @Option(help: ArgumentHelp("Memories that advance side by side in a step.", valueName: "N"))
  var lanes = 1

  @Option(
    help: ArgumentHelp("Optimiser steps at most. (default: one pass)", valueName: "N"))
  var maxSteps: Int?

  func validateRanges() throws {
    func require(_ holds: Bool, _ option: String, _ value: Any, _ range: String) throws {
      guard holds else { throw ValidationError("--\(option) is \(value), not in \(range)") }
    }
    try require((1...2).contains(stage), "stage", stage, "1...2")
    try require((1...4096).contains(loraRank), "lora-rank", loraRank, "1...4096")
    try require(loraAlpha > 0 && loraAlpha.isFinite, "lora-alpha", loraAlpha, "0<...")
    try require((0..<1).contains(loraDropout), "lora-dropout", loraDropout, "0..<1")
    try require(
      learningRate > 0 && learningRate.isFinite, "learning-rate", learningRate, "0<...")
    try require(warmupSteps >= 0, "warmup-steps", warmupSteps, "0...")
    let decay = weightDecay ?? 0
    try require(decay >= 0 && decay.isFinite, "weight-decay", decay, "0..., finite")
    try require(clip >= 0, "clip", clip, "0...")
    try require((1...65536).contains(accumulation), "accumulation", accumulation, "1...65536")
    try require((1...1024).contains(lanes), "lanes", lanes, "1...1024")
    try require((maxSteps ?? 1) >= 1, "max-steps", maxSteps ?? 1, "1...")
    _ = try targets()
    _ = try extras()
  }

  /// The layers that a stage reads memory in: the layout's, but of the published one stage 1 reads in
  /// every layer above the memory layer.
  func retrievalLayers(of layout: RetrievalLayout, from memoryLayer: Int, layerCount: Int) -> [Int]
  {
    layout == .published && stage == 1
      // A layer that the model lacks is refused later; here it may be any number.
      ? Array(max(0, min(memoryLayer, layerCount - 2) + 1)..<layerCount)
      : layout.retrievalLayers(from: memoryLayer, layerCount: layerCount)
  }

  /// - Parameters:
  ///   - microSteps: segments of the longest lane.
  ///   - lanes: those that have documents.
  func options(microSteps: Int, lanes: Int, seed: UInt64) throws -> TrainingOptions {
    let steps = (microSteps + accumulation - 1) / accumulation
    return TrainingOptions(
      mode: mode ?? (stage == 1 ? .loraAll : .loraFreeze),
      adapter: AdapterConfiguration(
        rank: loraRank, alpha: loraAlpha, dropout: loraDropout, targets: try targets(),
        extras: try extras()),
      schedule: LearningRateSchedule(
        shape: schedule, peak: learningRate, warmupSteps: warmupSteps,
        totalSteps: min(steps, maxSteps ?? steps)),
      optimizer: .init(
        weightDecay: weightDecay ?? (stage == 1 ? 0 : 1e-4), decaysVectors: decayVectors,
        clip: clip),
      accumulation: accumulation, lanes: lanes, seed: seed)
  }

  private func targets() throws -> [String] {
    try words(loraTargets, "lora-targets", among: AdapterConfiguration.knownTargets)
  }

  private func extras() throws -> [AdapterConfiguration.Extra] {
    if trainAlso == "none" { return [] }
    let known = AdapterConfiguration.Extra.allCases.map(\.rawValue)
    return try words(trainAlso, "train-also", among: known).compactMap { .init(rawValue: $0) }
  }

  /// The words of a list such as `q_proj,v_proj`: at least one, each once.
  private func words(_ list: String, _ option: String, among known: [String]) throws -> [String] {
    let words = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for word in words where !known.contains(word) {
      throw ValidationError("--\(option): \(word) is not one of \(known.joined(separator: ", "))")
    }
    guard Set(words).count == words.count else {
      throw ValidationError("--\(option): \(list) names one twice")
    }
    return words
  }
}

extension LearningRateSchedule {
  /// - Throws: `ToolError` where every step has rate 0, as the first ones of a warm-up do.
  func checkTrains() throws {
    guard !(0..<totalSteps).contains(where: { rate(step: $0) > 0 }) else { return }
    throw ToolError.usage(
      "nothing would be trained: the run has \(totalSteps) \(totalSteps == 1 ? "step" : "steps"), and "
        + "--schedule \(shape.rawValue) with --warmup-steps \(warmupSteps) begins at rate 0")
  }
}
