import Modeling
import XCTest

/// Decoding with a cache of keys and values, as far as segments and memory express it.
///
/// A cache is a memory that every layer keeps for itself and reads in place: `own`, all layers,
/// `continual`. The published decoding lets half of a full cache go into the (shared) memory. From then
/// on it attends to a cache and to retrieved chunks at once: two memories of different layers and
/// positions in one softmax, over states that have seen the tokens that went. No run of segments
/// computes that, so the fixture's logits from step 6 on belong to generation.
final class CachedDecodingTests: XCTestCase {
  private let fixtureName = "memlong-cached-decode"

  /// The prompt, the steps before the first spill, and what both spills leave in memory.
  func testPromptAndSpilledMemory() throws {
    let memory = try FixtureModel.publishedMemory(fixtureName)
    let model = try FixtureModel(fixtureName, weights: ["memlong-zero"], memory: memory)
    let lane = FixtureLane(model, row: 0)
    let prompt = try model.tokens("prompt")
    try lane.expectLogits("prompt_logits", lane.read(prompt, retrieving: []))
    let tokens = prompt + (try model.tokens("forced_tokens")[..<4])
    let logits = lane.read(tokens, retrieving: [])
    let width = model.decoder.configuration.vocabularySize
    try lane.expectLogits("decode_logits", Array(logits[(60 * width)...]))
    // What is below the first retrieval layer does not depend on what was retrieved.
    try lane.expectMemory("final_", lane.newChunks(64, size: 16))
  }

  /// One token at a time over the cache; at 64 tokens the older half of the cache goes, and the next
  /// token sees the newer half as it was computed.
  func testDecodingThroughTheFirstSpill() throws {
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: Array(0..<6), positions: .continual, source: .own)
    let model = try FixtureModel(fixtureName, weights: ["memlong-zero"], memory: memory)
    let lane = FixtureLane(model, row: 0)
    let prompt = try model.tokens("prompt")
    try lane.expectLogits("prompt_logits", lane.read(prompt, retrieving: []))
    lane.chunks = lane.newChunks(60, size: 4)
    var logits: [Float] = []
    for token in try model.tokens("forced_tokens")[..<5] {
      let cached = lane.chunks.reduce(0) { $0 + $1.tokens }
      if cached == 64 { lane.chunks.removeFirst(8) }
      logits += lane.read([token], retrieving: lane.chunks)
      lane.chunks += lane.newChunks(1, size: 1)
    }
    XCTAssertEqual(lane.chunks.reduce(0) { $0 + $1.tokens }, 33)
    try lane.expectLogits("decode_logits", logits)
  }

  /// Read in segments over a cache of all before, a text has the logits it has in one go.
  func testSegmentsOverACacheAreOneSegment() throws {
    for name in ["llama-gqa", "llama-bias", "llama-rope-linear", "llama-rope-yarn"] {
      let layers = name == "llama-gqa" ? 4 : 2
      let memory = MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: Array(0..<layers), positions: .continual, source: .own)
      let model = try FixtureModel(name, memory: memory)
      let lane = FixtureLane(model, row: 0)
      let tokens = try model.tokens("input_ids")
      var (logits, start) = ([Float](), 0)
      for length in [16, 1, 10, 21] {
        logits += lane.read(Array(tokens[start..<start + length]), retrieving: lane.chunks)
        lane.chunks += lane.newChunks(length, size: 7)
        start += length
      }
      expectClose(logits, try model.floats("logits", row: 0), 2e-4, name)
    }
  }
}
