import Modeling

/// Which parameters a run trains (SEMANTICS: the published `training_mode`).
public enum TrainingMode: String, Sendable, CaseIterable {
  /// Adapters and extras of every layer.
  case loraAll = "lora-all"
  /// Adapters and extras above the memory layer; the layers up to it are frozen.
  case loraFreeze = "lora-freeze"
  /// As `lora-freeze`, without adapters in the frozen layers.
  case partialLoRA = "partial-lora"
  /// No adapters: the layers above the memory layer are trained in full.
  case partialFreeze = "partial-freeze"

  /// The layers whose adapters, extras or weights are trained.
  public func trainedLayers(memoryLayer: Int, layerCount: Int) -> Range<Int> {
    self == .loraAll ? 0..<layerCount : memoryLayer + 1..<layerCount
  }

  /// The layers that have adapters, trained or frozen.
  public func adaptedLayers(memoryLayer: Int, layerCount: Int) -> Range<Int> {
    switch self {
    case .loraAll, .loraFreeze: return 0..<layerCount
    case .partialLoRA: return memoryLayer + 1..<layerCount
    case .partialFreeze: return 0..<0
    }
  }

  public var trainsWeights: Bool { self == .partialFreeze }
}

/// Every hyper-parameter of a training run.
public struct TrainingOptions: Sendable, Equatable {
  public var mode: TrainingMode
  public var adapter: AdapterConfiguration
  public var schedule: LearningRateSchedule
  public var optimizer: Optimizer.Options
  /// Micro-steps whose gradients one optimiser step averages.
  public var accumulation: Int
  /// Independent memories that advance side by side in one micro-step.
  public var lanes: Int
  public var seed: UInt64
  /// What segments are read beside; nil: nothing.
  public var context: SlidingContext?

  public init(
    mode: TrainingMode, adapter: AdapterConfiguration, schedule: LearningRateSchedule,
    optimizer: Optimizer.Options, accumulation: Int, lanes: Int, seed: UInt64,
    context: SlidingContext? = nil
  ) {
    self.mode = mode
    self.adapter = adapter
    self.schedule = schedule
    self.optimizer = optimizer
    self.accumulation = accumulation
    self.lanes = lanes
    self.seed = seed
    self.context = context
  }

  /// The lowest layer that a gradient must reach; what is below is the same in every step.
  public func lowestTrainedLayer(memoryLayer: Int, layerCount: Int) -> Int {
    adapter.extras.contains(.embed)
      ? 0 : mode.trainedLayers(memoryLayer: memoryLayer, layerCount: layerCount).lowerBound
  }
}

/// What one optimiser step did.
public struct StepReport: Sendable {
  public var step: Int
  /// Mean negative log-likelihood of the step's targets, in nats.
  public var loss: Double
  public var learningRate: Double
  /// Before clipping.
  public var gradientNorm: Double
  /// Tokens read so far.
  public var tokens: Int
  /// Retrieved chunks that this step's segments attended to.
  public var hits: Int
  /// Rows between a retrieved chunk and the block that read it, on average; nil without hits.
  public var meanHitAge: Double?
  /// Chunks that all lanes hold after the step, since a later block reads them.
  public var bankChunks: Int
}
