import Kernels
import ModelSupport
import Modeling
import Safetensors
import ToolSupport
import Training

extension MemoryEstimate {
  /// The estimate for a model that is not loaded yet.
  ///
  /// - Parameter inRAM: the most bytes of the banks that are in RAM.
  init(
    _ model: ModelOutline, options: TrainingOptions, census: ChunkCensus, plan: LoadedPlan?,
    lanes: [Range<Int>], inRAM: Int, residency: WeightResidency, products: ProductPrecision,
    threads: Int, frozen: Frozen?
  ) {
    var data = Data(
      tokens: census.tokens, segmentTokens: census.longestSegment,
      documentTokens: census.longestDocument,
      chunkTokens: census.parameters.chunkTokens,
      retrievedTokens: plan?.retrievedTokens(census) ?? 0,
      bankChunks: lanes.reduce(0) { $0 + (plan?.plan.peakChunks(in: $1) ?? 0) },
      planBlocks: plan?.plan.blockCount ?? 0, planNeighbours: plan?.plan.retrievals.total ?? 0)
    data.bankInRAM = inRAM
    self.init(
      model.configuration, memory: model.memory, options: options, data: data,
      residency: residency, products: products, fileBytes: model.fileBytes, threads: threads,
      frozen: frozen)
  }

  /// One line: the sum, then the parts that matter.
  var text: String {
    let named = parts.filter { $0.bytes >= max(total / 200, 1_000_000) }
      .sorted { $0.bytes > $1.bytes }
    let file = "and \(megabytes(reclaimable)) of the model's file, while there is room"
    return "about \(megabytes(total)) of memory: "
      + named.map { "\($0.name) \(megabytes($0.bytes))" }.joined(separator: ", ")
      + (reclaimable >= 1_000_000 ? "; " + file : "")
  }

  /// - Throws: `ToolError` with the numbers when less is available than the run needs.
  func check() throws {
    guard let available = AvailableMemory.now(), total > available.bytes else { return }
    throw ToolError(
      "the run needs \(text); but \(available.limit) has \(megabytes(available.bytes)) left "
        + "(--ignore-memory-estimate runs it all the same)")
  }
}

private func megabytes(_ bytes: Int) -> String {
  bytes < 10_000_000_000
    ? "\(decimal(Double(bytes) / 1e6, 0)) MB" : "\(decimal(Double(bytes) / 1e9, 1)) GB"
}
