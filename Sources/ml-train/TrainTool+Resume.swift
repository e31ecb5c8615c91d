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

  /// Takes hold of what the run writes beside its checkpoints, and clears away what a killed run left of
  /// its adapter.
  ///
  /// - Throws: `ToolError` when another run writes one of these.
  func holdOutputs(_ output: String) throws -> [OutputLock] {
    let adapter = try OutputLock(output)
    let parts = adapter.place.split(separator: "/")
    let parent =
      (adapter.place.hasPrefix("/") ? "/" : "./") + parts.dropLast().joined(separator: "/")
    if let name = parts.last { removeTemporaries(of: String(name), in: parent) }
    return try [adapter]
      + [checkpoints.log, checkpoints.tensorboard].compactMap {
        try $0.map { try OutputLock($0) }
      }
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
  /// - Throws: `ToolError` when another run's checkpoints are in the folder and are to stay there.
  func checkpoint(_ identity: RunIdentity, _ store: CheckpointStore) throws -> StoredCheckpoint? {
    var others: [(step: Int, difference: String)] = []
    for step in store.steps {
      // A damaged one is dealt with below.
      let path = CheckpointStore.path(step, in: store.folder)
      guard let state = try? StoredCheckpoint.state(at: path) else { continue }
      if let difference = identity.difference(to: state["run"]) {
        others.append((step, difference))
      }
    }
    if let first = others.first {
      let path = CheckpointStore.path(first.step, in: store.folder)
      let problem = "\(path) is of another run: \(first.difference)"
      guard checkpoints.setAside else {
        throw ToolError(
          "\(problem) (remove it, name another --checkpoint-dir, or --set-aside)")
      }
      let aside = try store.setAside(others.map(\.step))
      options.note("\(problem); set aside in \(aside)")
    }
    return checkpoints.resume ? try store.newest(skipping: { options.note($0) }) : nil
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
