import ModelSupport
import Modeling
import ToolSupport
import Training
import Weights

extension TrainTool {
  /// - Throws: `ToolError` with the numbers when the run cannot fit.
  func estimateMemory(
    _ model: ModelOutline, _ settings: TrainingOptions, _ census: ChunkCensus,
    _ plan: LoadedPlan?, _ lanes: [Range<Int>]
  ) throws -> MemoryEstimate {
    let frozen = frozenLayers(model, settings).map {
      MemoryEstimate.Frozen(
        layer: $0, precision: cache.dtype.value,
        isWritten: cache.folder.map(FrozenCache.exists) ?? false)
    }
    let estimate = MemoryEstimate(
      model, options: settings, census: census, plan: plan, lanes: lanes,
      inRAM: memoryRoom.bytesInRAM, residency: modelOptions.weights,
      products: modelOptions.compute, threads: options.threadCount, frozen: frozen)
    if !checkpoints.ignoreMemoryEstimate {
      try estimate.check()
      try memoryRoom.check(estimate.bankBytes)
    }
    return estimate
  }

  /// Takes hold of the checkpoints' folder where the run is to write or read there, and clears away
  /// what a killed run left, also of its adapter.
  func makeStore(_ output: String) throws -> CheckpointStore? {
    guard checkpoints.checkpointEvery != nil || checkpoints.resume else { return nil }
    let store = try CheckpointStore(checkpoints.folder(output: output))
    let parts = output.split(separator: "/")
    let parent = (output.hasPrefix("/") ? "/" : "./") + parts.dropLast().joined(separator: "/")
    if let name = parts.last { removeTemporaries(of: String(name), in: parent) }
    return store
  }

  /// What the run's result depends on. Not on threads.
  func identity(
    _ model: ModelOutline, _ names: LoadedModel.Names, _ census: ChunkCensus,
    _ plan: LoadedPlan?, _ settings: TrainingOptions
  ) -> RunIdentity {
    var identity = RunIdentity()
    identity.addInputs(names, census, plan)
    identity.add(settings)
    if let memory = model.memory { identity.add(memory, as: "memory") }
    // An adapter is merged into expanded weights and stands beside stored ones: other roundings.
    identity.add(modelOptions.weights, as: "weights")
    identity.add(products: modelOptions.compute)
    // States kept as f32 change nothing, but beside a context: a checkpoint has no keys and values of
    // layers that are not run.
    if cache.folder != nil, cache.dtype == .bf16 || settings.context != nil {
      identity.add(cache.dtype, as: "frozen states")
    }
    return identity
  }

  /// The checkpoint to go on from, nil to start.
  ///
  /// - Throws: `ToolError` when another run's checkpoints are in the folder.
  func checkpoint(
    _ identity: RunIdentity, _ store: CheckpointStore?, _ output: String
  ) throws -> StoredCheckpoint? {
    let folder = checkpoints.folder(output: output)
    for step in CheckpointStore.steps(in: folder) {
      let path = CheckpointStore.path(step, in: folder)
      // A damaged one is dealt with below.
      guard let state = try? StoredCheckpoint.state(at: path) else { continue }
      try identity.check(
        state["run"], path: path, remedy: "remove it, or name another --checkpoint-dir")
    }
    guard checkpoints.resume, let store else { return nil }
    return try store.newest(skipping: { options.note($0) })
  }

  func trainer(
    _ model: LoadedModel, _ settings: TrainingOptions, _ input: ChunkInput,
    _ lanes: [Range<Int>], _ plan: LoadedPlan?, _ cache: FrozenCache?, _ stored: StoredCheckpoint?
  ) throws -> Trainer {
    let state = try stored.map {
      try CheckpointCoding.state(
        $0, layout: BankLayout(model.decoder),
        context: settings.context.map { _ in
          ContextLayout(model.decoder, from: cache?.layer ?? 0)
        })
    }
    let rest = lanes.enumerated().map { index, rows in
      let lane = state.flatMap { $0.lanes.indices.contains(index) ? $0.lanes[index] : nil }
      let start = min(max(lane?.nextRow ?? rows.lowerBound, rows.lowerBound), rows.upperBound)
      return start..<rows.upperBound
    }
    let trainer = try Trainer(
      decoder: model.decoder, options: settings,
      sources: try rest.map { LaneReader(try input.open(), rows: $0) },
      states: try cache.map { cache in try rest.map { try cache.source(from: $0.lowerBound) } }
        ?? [],
      plan: plan?.plan ?? RetrievalPlan(), segmentTokens: input.census.longestSegment,
      documentTokens: input.census.longestDocument)
    if let state, let stored {
      try CheckpointCoding.restore(trainer.stateTensors, from: stored)
      try trainer.restore(state)
      options.note("going on from \(stored.path), \(state.tokens) tokens read")
    }
    return trainer
  }
}
