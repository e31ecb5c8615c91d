import Evaluation
import Kernels
import ModelSupport
import Modeling
import ToolSupport

/// About how much memory the reading of chunks takes, before anything is loaded.
struct ReadingEstimate {
  private let parts: [(name: String, bytes: Int)]
  /// Bytes of the memory's keys and values, wherever they are.
  let bankBytes: Int

  private var total: Int { parts.reduce(0) { $0 + $1.bytes } }

  /// - Parameter inRAM: the most bytes of the bank that are in RAM.
  init(
    _ model: ModelOutline, census: ChunkCensus, plan: LoadedPlan?, context: ContextLabel?,
    inRAM: Int, options: ModelOptions, threads: Int
  ) {
    let rules = context?.rules
    let span = rules?.span(longestDocument: census.longestDocument) ?? 0
    let pass = PassEstimate(
      model.configuration, memory: model.memory,
      tokens: max(census.longestSegment, rules?.mode == .reread ? span : 0),
      retrieved: plan?.retrievedTokens(census) ?? 0, threads: threads)
    bankBytes =
      plan.map {
        pass.bank(
          chunks: $0.plan.peakChunks(in: 0..<census.rows),
          chunkTokens: census.parameters.chunkTokens)
      } ?? 0
    let retrievals = plan?.plan.retrievals.total ?? 0
    parts = [
      ("weights", pass.weights(options.weights, fileBytes: model.fileBytes)),
      ("context", context?.cacheBytes ?? 0),
      ("memory bank", min(inRAM, bankBytes)),
      ("activations", pass.activations(lowest: .max, adapter: nil, adapted: 0)),
      ("head", pass.head),
      ("scratch", pass.scratch(options.weights, products: options.compute)),
      // a block of a shard, packed, unpacked and decoded; the plan's table
      ("data", min(24 << 20, 32 * census.tokens) + retrievals * 16),
      ("program", (options.compute == .f32 ? 24 << 20 : 48 << 20) + threads << 20),
    ]
  }

  /// - Throws: `ToolError` with the numbers when less is available than the run needs.
  func check() throws {
    guard let available = AvailableMemory.now(), total > available.bytes else { return }
    let named = parts.filter { $0.bytes >= total / 100 }.sorted { $0.bytes > $1.bytes }
      .map { "\($0.name) \(megabytes($0.bytes))" }
    throw ToolError(
      "the run needs about \(megabytes(total)) of memory: \(named.joined(separator: ", ")); but "
        + "\(available.limit) has \(megabytes(available.bytes)) left "
        + "(--ignore-memory-estimate runs it all the same)")
  }
}
