import Kernels
import ModelSupport
import Modeling
import Records
import ToolSupport
import Training

extension TrainTool {
  /// - Throws: `ToolError` where a cache is asked for and no layer is frozen.
  func checkFrozen(_ model: ModelOutline, _ settings: TrainingOptions) throws {
    guard frozenLayers(model, settings) == 0 else { return }
    let cause =
      settings.adapter.extras.contains(.embed)
      ? "--train-also embed trains the embedding"
      : "--mode \(settings.mode.rawValue) trains them all"
    throw ToolError.usage("--cache-frozen: no layer is frozen, \(cause)")
  }

  /// The layers that a cache stands for, nil without one.
  func frozenLayers(_ model: ModelOutline, _ settings: TrainingOptions) -> Int? {
    guard cache.folder != nil else { return nil }
    return settings.lowestTrainedLayer(
      memoryLayer: model.memory?.memoryLayer ?? 0, layerCount: model.configuration.layerCount)
  }

  /// The cache to start from, written first where it is not there; nil where none is asked for.
  ///
  /// Writing takes a whole model of its own, which is gone when the training loads what it needs.
  func frozenCache(
    _ model: ModelOutline, _ names: LoadedModel.Names, _ settings: TrainingOptions,
    below layer: Int?, _ input: ChunkInput, _ plan: LoadedPlan?, _ compute: Compute
  ) throws -> FrozenCache? {
    guard let folder = cache.folder, let layer else { return nil }
    let parameters = stateParameters(model, names, below: layer, input.census, plan)
    let identity = frozenIdentity(model, names, settings, below: layer, input.census, plan)
    func open() throws -> FrozenCache? {
      try FrozenCache(
        folder, identity: identity, parameters: parameters, rows: input.census.rows)
    }
    if let found = try open() { return found }
    options.note("writing the states of \(layer) frozen layers to \(folder)")
    let whole = try LoadedModel(
      model, adapter: adapter, residency: modelOptions.weights, compute: compute, names: names)
    let progress = Progress("tokens", total: input.census.tokens, quiet: options.quiet)
    try FrozenCache.write(
      folder, identity: identity, parameters: parameters, input: input,
      prefix: FrozenPrefix(
        whole.decoder, below: layer, plan: plan?.plan ?? RetrievalPlan(),
        segmentTokens: input.census.longestSegment, precision: cache.dtype.value,
        context: settings.context, documentTokens: input.census.longestDocument),
      isWaiting: { options.note("another run is writing \(folder); waiting for it") },
      progress: { progress.update($0) })
    progress.finish()
    guard let written = try open() else { throw ToolError("\(folder): the cache was removed") }
    return written
  }

  /// What the frozen states depend on.
  private func frozenIdentity(
    _ model: ModelOutline, _ names: LoadedModel.Names, _ settings: TrainingOptions,
    below layer: Int, _ census: ChunkCensus, _ plan: LoadedPlan?
  ) -> RunIdentity {
    var identity = RunIdentity()
    identity.addInputs(names, census, plan)
    identity.add(layer, as: "first trained layer")
    identity.add(cache.dtype, as: "cache-dtype")
    identity.add(modelOptions.weights, as: "weights")
    identity.add(products: modelOptions.compute)
    identity.add(settings.context as Any, as: "context")
    guard var memory = model.memory else { return identity }
    // Layers that are trained may retrieve as they like.
    memory.retrievalLayers.removeAll { $0 >= layer }
    memory.usesGate = memory.usesGate && !memory.retrievalLayers.isEmpty
    identity.add(memory, as: "memory")
    return identity
  }

  private func stateParameters(
    _ model: ModelOutline, _ names: LoadedModel.Names, below layer: Int, _ census: ChunkCensus,
    _ plan: LoadedPlan?
  ) -> StateParameters {
    let memory = model.memory
    let slots = memory?.frozenSlots(below: layer) ?? []
    return StateParameters(
      layer: layer, hiddenSize: model.configuration.hiddenSize,
      hiddenType: cache.dtype.value.elementType,
      memoryLayers: slots.map { memory?.sourceLayers[$0] ?? 0 },
      memoryWidth: model.configuration.keyValueWidth,
      memoryType: (memory?.precision ?? .f32).elementType, model: names.model.digest,
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
  mutating func addInputs(_ names: LoadedModel.Names, _ census: ChunkCensus, _ plan: LoadedPlan?) {
    add(input: "model", digest: names.model.digest)
    add(input: "chunks", digest: census.digest.description)
    add(input: "plan", digest: plan?.digest.description)
    add(input: "adapter stood on", digest: names.adapter?.digest)
  }
}
