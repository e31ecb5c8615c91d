import Kernels
import Modeling

/// About how much memory a training run takes, part by part, before anything is loaded.
public struct MemoryEstimate: Sendable {
  public struct Part: Sendable, Equatable {
    public var name: String
    public var bytes: Int
  }

  /// What the run needs at once, at its end, when the adapter is written.
  public private(set) var parts: [Part] = []
  /// Pages of the model file that were read once: they count as held, but can be given back.
  public private(set) var reclaimable = 0

  /// Bytes of the banks, wherever they are.
  public let bankBytes: Int

  /// Numbers that the run trains.
  public let trainedValues: Int

  public var total: Int { parts.reduce(0) { $0 + $1.bytes } }

  /// What the data bring along.
  public struct Data: Sendable {
    public var tokens: Int
    public var segmentTokens: Int
    /// Of the longest document; where there is a context.
    public var documentTokens: Int
    public var chunkTokens: Int
    /// The most memory tokens that one segment's blocks retrieve together.
    public var retrievedTokens: Int
    /// The most chunks that the banks of all lanes hold.
    public var bankChunks: Int
    public var planBlocks: Int
    public var planNeighbours: Int
    /// The most bytes of the banks that are in RAM.
    public var bankInRAM = Int.max

    public init(
      tokens: Int, segmentTokens: Int, documentTokens: Int, chunkTokens: Int,
      retrievedTokens: Int, bankChunks: Int, planBlocks: Int, planNeighbours: Int
    ) {
      self.tokens = tokens
      self.segmentTokens = segmentTokens
      self.documentTokens = documentTokens
      self.chunkTokens = chunkTokens
      self.retrievedTokens = retrievedTokens
      self.bankChunks = bankChunks
      self.planBlocks = planBlocks
      self.planNeighbours = planNeighbours
    }
  }

  /// The cache that a run starts from in place of its frozen layers.
  public struct Frozen: Sendable {
    /// The first layer that is run.
    public var layer: Int
    /// How hidden states are kept.
    public var precision: MemoryConfiguration.Precision
    /// Whether the cache is there: else the run writes it first, with all layers.
    public var isWritten: Bool

    public init(layer: Int, precision: MemoryConfiguration.Precision, isWritten: Bool) {
      self.layer = layer
      self.precision = precision
      self.isWritten = isWritten
    }
  }

  /// - Parameters:
  ///   - fileBytes: of the model's weights.
  ///   - threads: each has scratch of its own.
  ///   - frozen: nil where no cache is read.
  public init(
    _ configuration: LlamaConfiguration, memory: MemoryConfiguration?, options: TrainingOptions,
    data: Data, residency: WeightResidency, products: ProductPrecision = .f32, fileBytes: Int,
    threads: Int, frozen: Frozen? = nil
  ) {
    let pass = PassEstimate(
      configuration, memory: memory, tokens: data.segmentTokens,
      retrieved: data.retrievedTokens,
      span: options.context?.span(longestDocument: data.documentTokens), threads: threads)
    let (memoryLayer, layerCount) = (memory?.memoryLayer ?? 0, configuration.layerCount)
    let layers = options.mode.trainedLayers(memoryLayer: memoryLayer, layerCount: layerCount)
    let adapted = options.mode.adaptedLayers(memoryLayer: memoryLayer, layerCount: layerCount)
    let pairs = pass.pairs(options.adapter, layers: layers.clamped(to: adapted))
    let extras = pass.extras(options.adapter, layers: layers)
    let linear = options.mode.trainsWeights ? pass.linearWeights(layers: layers) : 0
    trainedValues = pairs + extras + linear
    bankBytes = pass.bank(chunks: data.bankChunks, chunkTokens: data.chunkTokens)
    let adapterValues = pass.pairs(options.adapter, layers: adapted) + extras + linear
    let lowest = options.lowestTrainedLayer(memoryLayer: memoryLayer, layerCount: layerCount)
    add("weights", pass.weights(residency, fileBytes: fileBytes, from: frozen?.layer ?? 0))
    // The linear weights themselves are counted above.
    add("adapter", 4 * (adapterValues - linear))
    add("gradients and moments", 3 * 4 * trainedValues)
    add(
      "activations",
      pass.activations(
        lowest: lowest, adapter: options.adapter, adapted: layers.clamped(to: adapted).count))
    add("their gradients", pass.gradients)
    add("head", pass.head)
    add("memory bank", min(data.bankInRAM, bankBytes))
    if options.context != nil {
      add("context", options.lanes * pass.context(layers: (frozen?.layer ?? 0)..<layerCount))
    }
    add("scratch", pass.scratch(residency, products: products))
    // A block of a shard, packed, unpacked and decoded, for each lane; the plan's table.
    add(
      "data",
      options.lanes * min(Self.readerBytes, 32 * data.tokens) + data.planBlocks * 128 + data
        .planNeighbours * 16)
    if let frozen { add("cache", cacheBytes(frozen, pass, data, lanes: options.lanes)) }
    add("adapter being written", 3 * 4 * adapterValues)
    add(
      "program",
      (products == .f32 ? 1 : 2) * Self.programBytes + threads * Self.threadBytes)
    if let frozen, !frozen.isWritten {
      let context = options.context == nil ? 0 : pass.context(layers: 0..<frozen.layer)
      let part =
        writing(frozen, pass, data, pass.weights(residency, fileBytes: fileBytes)) + context
      add("more while the cache is written", max(0, part - total))
    }
    reclaimable = pass.expandsWeights(residency) ? fileBytes : 0
  }

  /// A block of states packed, unpacked and decoded, and a segment's states, for each lane.
  private func cacheBytes(_ frozen: Frozen, _ pass: PassEstimate, _ data: Data, lanes: Int) -> Int {
    let token = pass.frozenToken(below: frozen.layer, precision: frozen.precision)
    let block = min(Self.stateBlockBytes + data.chunkTokens * token, data.tokens * token)
    return lanes * (4 * block + 2 * data.segmentTokens * token)
  }

  /// The pass that writes the cache, which has ended when the training begins.
  private func writing(
    _ frozen: Frozen, _ pass: PassEstimate, _ data: Data, _ weights: Int
  ) -> Int {
    let shared = ["memory bank", "scratch", "data", "program"]
    let kept = parts.reduce(0) { $0 + (shared.contains($1.name) ? $1.bytes : 0) }
    return weights + kept + pass.activations(lowest: .max, adapter: nil, adapted: 0)
      + cacheBytes(frozen, pass, data, lanes: 1)
  }

  private static let readerBytes = 24 << 20
  private static let stateBlockBytes = 4 << 20
  /// Again as much for oneDNN with the code that it makes.
  private static let programBytes = 24 << 20
  private static let threadBytes = 1 << 20

  private mutating func add(_ name: String, _ bytes: Int) {
    parts.append(Part(name: name, bytes: bytes))
  }
}
