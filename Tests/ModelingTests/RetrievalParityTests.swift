import Indexing
import Kernels
import Modeling
import XCTest

/// Which chunks every call of the memory fixtures retrieves, planned from the embeddings they store.
final class RetrievalParityTests: XCTestCase {
  func testPlansRetrieveThePublishedChunks() throws {
    for name in [
      "memlong-zero", "memlong-continual", "memlong-bf16mem", "memlong-padmask",
      "memlong-longinput", "memlong-longinput-ragged",
    ] {
      try check(name, weights: ["memlong-zero"])
    }
    try check("memlong-gate", weights: ["memlong-gate", "memlong-zero"])
    try check(
      "memlong-gate-memlayer-outside",
      weights: ["memlong-gate-memlayer-outside", "memlong-gate", "memlong-zero"])
  }

  private func check(_ name: String, weights: [String]) throws {
    let model = try FixtureModel(name, weights: weights)
    let rows = try XCTUnwrap(model.tensors.entry("step0.input_ids")).shape[0]
    for row in 0..<rows {
      var blocks: [PlannedBlock] = []
      let planner = MemoryPlanner(
        MemorySettings(topK: 3, capacity: 1, eviction: .none, reset: .never), dimension: 16,
        workers: Workers(threads: 1), emit: { blocks.append($0) })
      var expected: [(rows: [Int], scores: [Float])] = []
      for call in calls(model) {
        let keys = try model.floats(call + "chunk_embeddings", row: row)
        let isFirst = !model.has(call + "query_embeddings")
        let query =
          isFirst
          ? [Float](repeating: 0, count: 16)
          : try model.floats(call + "query_embeddings", row: row)
        for chunk in 0..<keys.count / 16 {
          try Array(keys[chunk * 16..<(chunk + 1) * 16]).withUnsafeBufferPointer { key in
            try query.withUnsafeBufferPointer { query in
              try planner.append(
                key: key, query: chunk == 0 ? query : nil, document: 0,
                segment: Int64(expected.count))
            }
          }
        }
        guard !isFirst else {
          expected.append(([], []))
          continue
        }
        let found = zip(
          try model.integers(call + "search_indices", row: row),
          try model.floats(call + "search_scores", row: row)
        ).sorted { $0.0 < $1.0 }
        XCTAssertEqual(found.map(\.0), try model.integers(call + "retrieved_indices", row: row))
        expected.append((found.map(\.0), found.map(\.1)))
      }
      try planner.finish()
      XCTAssertGreaterThan(expected.count, 2)
      XCTAssertEqual(blocks.map(\.neighbours), expected.map(\.rows), "\(name), row \(row)")
      expectClose(
        blocks.flatMap(\.scores), expected.flatMap(\.scores), 1e-5, "\(name) scores, row \(row)")
    }
  }

  /// The prefixes of the calls' tensors, in order.
  private func calls(_ model: FixtureModel) -> [String] {
    (0...).prefix { model.has("step\($0).input_ids") }.flatMap { step in
      (0...).prefix { model.has("step\(step).call\($0).chunk_embeddings") }.map {
        "step\(step).call\($0)."
      }
    }
  }
}
