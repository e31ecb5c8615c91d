import Kernels
import ModelSupport
import Modeling
import Records
import ToolSupport
import Training

extension TrainTool {
  /// - Throws: `ToolError` where a cache is asked for and no layer is frozen.
  func checkFrozen(_ model: ModelOutline, _ settings: TrainingOptions) throws {
    guard cache.folder != nil else { return }
    let lowest = settings.lowestTrainedLayer(
      memoryLayer: model.memory?.memoryLayer ?? 0, layerCount: model.configuration.layerCount)
    guard lowest == 0 else { return }
    let cause =
      settings.adapter.extras.contains(.embed)
      ? "--train-also embed trains the embedding"
      : "--mode \(settings.mode.rawValue) trains them all"
    throw ToolError.usage("--cache-frozen: no layer is frozen, \(cause)")
  }

  /// The cache to start from, written first where it is not there; nil where none is asked for.
  func frozenCache(
    _ model: LoadedModel, _ settings: TrainingOptions, _ input: ChunkInput, _ plan: LoadedPlan?
  ) throws -> FrozenCache? {
    guard let folder = cache.folder else { return nil }
    let decoder = model.decoder
    let layer = settings.lowestTrainedLayer(
      memoryLayer: decoder.memory?.memoryLayer ?? 0, layerCount: decoder.layers.count)
    let parameters = stateParameters(model, below: layer, input.census, plan)
    let identity = frozenIdentity(model, below: layer, input.census, plan)
    func open() throws -> FrozenCache? {
      try FrozenCache(
        folder, identity: identity, parameters: parameters, rows: input.census.rows)
    }
    if let found = try open() { return found }
    options.note("writing the states of \(layer) frozen layers to \(folder)")
    let progress = Progress("tokens", total: input.census.tokens, quiet: options.quiet)
    try FrozenCache.write(
      folder, identity: identity, parameters: parameters, input: input,
      prefix: FrozenPrefix(
        decoder, below: layer, plan: plan?.plan ?? RetrievalPlan(),
        segmentTokens: input.census.longestSegment, precision: cache.dtype.value),
      isWaiting: { options.note("another run is writing \(folder); waiting for it") },
      progress: { progress.update($0) })
    progress.finish()
    guard let written = try open() else { throw ToolError("\(folder): the cache was removed") }
    return written
  }

  /// What the frozen states depend on.
  private func frozenIdentity(
    _ model: LoadedModel, below layer: Int, _ census: ChunkCensus, _ plan: LoadedPlan?
  ) -> RunIdentity {
    var identity = RunIdentity()
    identity.addInputs(model, census, plan)
    identity.add(layer, as: "first trained layer")
    identity.add(cache.dtype, as: "cache-dtype")
    identity.add(modelOptions.weights, as: "weights")
    identity.add(products: modelOptions.compute)
    guard var memory = model.decoder.memory else { return identity }
    // Layers that are trained may retrieve as they like.
    memory.retrievalLayers.removeAll { $0 >= layer }
    memory.usesGate = memory.usesGate && !memory.retrievalLayers.isEmpty
    identity.add(memory, as: "memory")
    return identity
  }

  private func stateParameters(
    _ model: LoadedModel, below layer: Int, _ census: ChunkCensus, _ plan: LoadedPlan?
  ) -> StateParameters {
    let decoder = model.decoder
    let memory = decoder.memory
    let slots = memory?.frozenSlots(below: layer) ?? []
    return StateParameters(
      layer: layer, hiddenSize: decoder.configuration.hiddenSize,
      hiddenType: cache.dtype.value.elementType,
      memoryLayers: slots.map { memory?.sourceLayers[$0] ?? 0 },
      memoryWidth: decoder.configuration.keyValueWidth,
      memoryType: (memory?.precision ?? .f32).elementType, model: model.model.digest,
      chunksDigest: census.digest, planDigest: plan?.digest)
  }
}

extension RunIdentity {
  /// Names the products' precision where it is not the usual one, as what was written before it
  /// could be another goes without.
  mutating func add(products: ProductPrecision) {
    if products != .f32 { add(products, as: "compute") }
  }

  /// The digests of what a run reads.
  mutating func addInputs(_ model: LoadedModel, _ census: ChunkCensus, _ plan: LoadedPlan?) {
    add(input: "model", digest: model.model.digest)
    add(input: "chunks", digest: census.digest.description)
    add(input: "plan", digest: plan?.digest.description)
    add(input: "adapter stood on", digest: model.adapter?.digest)
  }
}
