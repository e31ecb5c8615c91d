import Modeling
import ModelSupport

extension ModelOptions {
  /// The model for these chunks, with the memory that the options or the adapter name.
  ///
  /// - Parameter hasMemory: whether a memory is read. Gates and positions are the adapter's also
  ///   where it is off.
  func outline(
    _ census: ChunkCensus, adapter: String?, hasMemory: Bool, ropeScaling: RopeScaling? = nil
  ) throws -> ModelOutline {
    let stored = try adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    func wanted(_ layerCount: Int) throws -> MemoryConfiguration {
      try memory(
        layerCount: layerCount, chunkTokens: census.parameters.chunkTokens, adapter: stored)
    }
    let outline = try ModelOutline(path: model, ropeScaling: ropeScaling) {
      hasMemory || stored != nil ? try wanted($0) : nil
    }
    // Options that nothing reads are looked at too: a layer that the model lacks is a mistake.
    let layerCount = outline.configuration.layerCount
    try wanted(layerCount).validate(layerCount: layerCount)
    try outline.check(census.parameters.tokenizer)
    return outline
  }

  /// The layout of the model's memory by name, also where the memory is off.
  func layout(of outline: ModelOutline, adapter: String?) throws -> RetrievalLayout? {
    let layerCount = outline.configuration.layerCount
    if let memory = outline.memory { return memory.layout(layerCount: layerCount) }
    return try layout(
      layerCount: layerCount,
      adapter: try adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) },
      standard: .all)
  }
}
