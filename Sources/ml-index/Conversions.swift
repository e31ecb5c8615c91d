import ArgumentParser
import FoundationEssentials
import Indexing
import Kernels
import Records
import ToolSupport

extension Eviction: ExpressibleByArgument {}
extension MemoryReset: ExpressibleByArgument {}
extension Selection: ExpressibleByArgument {}

/// A usage error that names the option, its value and what is legal.
func check(_ option: String, _ value: Int, in range: ClosedRange<Int>) throws {
  guard range.contains(value) else {
    throw ValidationError("\(option) is \(value), not in \(range)")
  }
}

extension CommonOptions {
  /// On the threads asked for; notes where products are slower than need be.
  func makeWorkers() -> Workers {
    if let advice = adviceOnBLAS() { note(advice) }
    return Workers(threads: threadCount)
  }
}

extension KeyBatch {
  init(_ batch: EmbeddingBatch) {
    self.init(
      keys: batch.keys, documents: batch.documents, segments: batch.segments,
      queryRows: batch.queryRows, queries: batch.queries, stream: batch.stream)
  }
}

extension PlanRow {
  init(_ block: PlannedBlock) {
    self.init(
      row: Int64(block.row), neighbours: block.neighbours.map(Int64.init), scores: block.scores,
      live: Int32(block.live), evicted: block.evicted.map(Int64.init))
  }
}

extension PlannedBlock {
  init(_ row: PlanRow) {
    self.init(
      row: Int(row.row), neighbours: row.neighbours.map(Int.init), scores: row.scores,
      live: Int(row.live), evicted: row.evicted.map(Int.init))
  }
}

/// JSON with sorted keys in snake case, as the shards' parameters are spelt.
func encoded(_ value: some Encodable, isPretty: Bool = false) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = isPretty ? [.sortedKeys, .prettyPrinted] : [.sortedKeys]
  encoder.keyEncodingStrategy = .convertToSnakeCase
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
