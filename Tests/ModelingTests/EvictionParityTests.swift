import Indexing
import Kernels
import Modeling
import TestSupport
import XCTest

/// A memory that forgets, against the published code. Its rule (SEMANTICS §6) checks every chunk that
/// it appends: over the limit, half of the tokens and half of the chunks stay, the newest. We plan by
/// whole segments instead, so the published bookkeeping is in this test and not in the library.
final class EvictionParityTests: XCTestCase {
  /// The limit is 10 chunks of 16 tokens: half of the tokens are half of the chunks.
  func testFirstInFirstOut() throws {
    let lane = try lane("memlong-evict")
    var keys: [[Float]] = []  // of the live chunks
    for step in 0..<8 {
      XCTAssertEqual(try search(lane, step, keys), try lane.retrieved(step: step))
      let retrieved = try lane.retrieved(step: step).map { lane.chunks[$0] }
      let logits = lane.read(try tokens(lane, step), retrieving: retrieved)
      try lane.expectLogits("step\(step).logits", logits)
      for (chunk, key) in zip(lane.newChunks(64, size: 16), try newKeys(lane, step)) {
        let stored = lane.chunks.reduce(0) { $0 + $1.tokens }
        if stored + chunk.tokens > 160 {
          keys.removeFirst(lane.chunks.count - lane.chunks.count / 2)
          lane.chunks.removeFirst(lane.chunks.count - lane.chunks.count / 2)
        }
        lane.chunks.append(chunk)
        keys.append(key)
      }
      guard lane.model.has("step\(step).mem_keys") else { continue }
      try lane.expectMemory("step\(step).", lane.chunks)
    }
  }

  /// A limit of 104 tokens keeps 52 of them but 3 chunks, 48: four tokens stay that belong to no
  /// chunk, and the published code then reads every chunk four tokens too early.
  ///
  /// The memory that we keep, whole chunks, is the stored one behind the strays. Read as the
  /// published code reads it, shifted, the same memory gives the published logits: nothing but the
  /// bookkeeping differs.
  func testMisalignedLimit() throws {
    let lane = try lane("memlong-evict-misaligned")
    var single: [MemoryChunk] = []  // the published memory, token by token
    var shifted = 0
    for step in 0..<6 {
      let retrieved = try lane.retrieved(step: step).flatMap { chunk in
        let start = lane.chunks[..<chunk].reduce(0) { $0 + $1.tokens }
        return single[start..<start + lane.chunks[chunk].tokens]
      }
      let logits = lane.read(try tokens(lane, step), retrieving: retrieved)
      if lane.model.has("step\(step).logits") {
        try lane.expectLogits("step\(step).logits", logits)
        shifted += 1
      }
      let fresh = lane.newChunks(64, size: 1)
      for (index, chunk) in lane.newChunks(64, size: 16).enumerated() {
        if single.count + chunk.tokens > 104 {
          single.removeFirst(single.count - 52)
          lane.chunks.removeFirst(lane.chunks.count - lane.chunks.count / 2)
        }
        single += fresh[index * 16..<(index + 1) * 16]
        lane.chunks.append(chunk)
      }
      guard step > 0 else { continue }
      let strays = single.count - lane.chunks.reduce(0) { $0 + $1.tokens }
      XCTAssertEqual(strays, 4)
      try lane.expectMemory("step\(step).", single)
      try lane.expectMemory("step\(step).", lane.chunks, offset: strays)
    }
    XCTAssertEqual(shifted, 4)
  }

  /// A limit of 5 chunks, at which the published code fails an assertion in its second step. Our rule:
  /// of n > 5 live chunks the n − 2 oldest go, and the run goes on.
  func testOddLimit() throws {
    let lane = try lane("memlong-evict-odd")
    var blocks: [PlannedBlock] = []
    let planner = MemoryPlanner(
      MemorySettings(topK: 3, capacity: 5, eviction: .fifo, reset: .never), dimension: 16,
      workers: Workers(threads: 1), emit: { blocks.append($0) })
    var random = SplitMix64(seed: 3)
    let embeddings = try lane.model.floats("step0.call0.chunk_embeddings") + random.floats(12 * 16)
    try embeddings.withUnsafeBufferPointer { keys in
      for row in 0..<16 {
        let key = UnsafeBufferPointer(rebasing: keys[row * 16..<(row + 1) * 16])
        // A segment of 4 chunks asks with its first one's embedding.
        try planner.append(
          key: key, query: row % 4 == 0 ? key : nil, document: 0, segment: Int64(row / 4))
      }
    }
    try planner.finish()
    XCTAssertEqual(blocks.map(\.row), [0, 4, 8, 12])
    XCTAssertEqual(blocks.map(\.live), [0, 4, 2, 2])
    XCTAssertEqual(blocks.map(\.evicted), [[], Array(0..<6), Array(6..<10), Array(10..<14)])
    XCTAssertEqual(blocks.map(\.neighbours.count), [0, 3, 2, 2])
    XCTAssertEqual(blocks[2].neighbours, [6, 7])

    var plan = RetrievalPlan()
    for block in blocks { plan.append(row: block.row, neighbours: block.neighbours) }
    let pass = DecoderPass(lane.model.decoder, maximumTokens: 64)
    var memory = LaneMemory(plan: plan)
    for segment in 0..<4 {
      let tokens = try tokens(lane, segment % 2)
      let planned = PlannedSegment(
        firstRow: segment * 4, chunkLengths: [16, 16, 16, 16], tokens: tokens, nextToken: -1,
        document: 0)
      let retrieved = try memory.blocks(of: planned)
      XCTAssertEqual(retrieved.map(\.chunks.count), [blocks[segment].neighbours.count])
      pass.forward(
        Segment(tokens: tokens, targets: Segment.shifted(tokens), blocks: retrieved))
      XCTAssertTrue(pass.losses(Segment.shifted(tokens)).allSatisfy(\.isFinite))
      try memory.advance(past: planned, pass)
      if segment == 0 {
        let chunks = (0..<4).map { pass.memoryChunk($0 * 16..<($0 + 1) * 16) }
        try lane.expectMemory("step0.", chunks)
      }
    }
    XCTAssertEqual(memory.bank.count, 0)
  }

  private func lane(_ name: String) throws -> FixtureLane {
    let memory = try FixtureModel.publishedMemory(name)
    return FixtureLane(
      try FixtureModel(name, weights: ["memlong-zero"], memory: memory), row: 0)
  }

  private func newKeys(_ lane: FixtureLane, _ step: Int) throws -> [[Float]] {
    let keys = try lane.model.floats("step\(step).call0.chunk_embeddings")
    return stride(from: 0, to: keys.count, by: 16).map { Array(keys[$0..<$0 + 16]) }
  }

  /// The three live chunks nearest to the step's query, in time order.
  private func search(_ lane: FixtureLane, _ step: Int, _ keys: [[Float]]) throws -> [Int] {
    guard !keys.isEmpty else { return [] }
    var search = ExactSearch(
      queries: try lane.model.floats("step\(step).call0.query_embeddings"), dimension: 16, topK: 3,
      workers: Workers(threads: 1))
    try keys.flatMap { $0 }.withUnsafeBufferPointer { try search.offer($0, firstRow: 0) }
    return search.answers[0].neighbours.sorted()
  }

  private func tokens(_ lane: FixtureLane, _ step: Int) throws -> [Int32] {
    try lane.model.tokens("step\(step).input_ids", row: lane.row)
  }
}
