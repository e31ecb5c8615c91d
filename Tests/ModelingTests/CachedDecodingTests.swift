import Modeling
import TestSupport
import XCTest

/// Reading on over a cache of keys and values.
final class CachedDecodingTests: XCTestCase {
  /// The published decoding: one token at a time, and of a full cache the older half goes to memory
  /// before the next token's attention, which retrieves what was there before.
  func testPublishedDecodingThroughTwoSpills() throws {
    let memory = try FixtureModel.publishedMemory("memlong-cached-decode")
    let model = try FixtureModel("memlong-cached-decode", weights: ["memlong-zero"], memory: memory)
    let lane = FixtureLane(model, row: 0)
    let cache = LocalCache(model.decoder, capacity: 64)
    let steps = try XCTUnwrap(
      try fixtureJSON("memlong-cached-decode/case.json")["steps"]?.arrayValue)
    let prompt = try model.tokens("prompt")
    try lane.expectLogits("prompt_logits", lane.read(prompt, retrieving: [], cache: cache))
    var logits: [Float] = []
    for (step, token) in try model.tokens("forced_tokens").enumerated() {  // steps[0] is the prompt
      let retrieved = lane.chunks
      XCTAssertEqual(steps[step + 1]["retrieved"]?.arrayValue?.count ?? 0, retrieved.count)
      if cache.count == cache.capacity {
        lane.chunks += [cache.memoryChunk(0..<16), cache.memoryChunk(16..<32)]
        cache.remove(0..<32)
      }
      logits += lane.read([token], retrieving: retrieved, cache: cache)
    }
    XCTAssertEqual(cache.count, 33)
    XCTAssertEqual(lane.chunks.count, 4)
    try lane.expectLogits("decode_logits", logits)
    try lane.expectMemory("final_", lane.chunks)
  }

  /// Read in segments over a cache of all before, a text has the logits it has in one go.
  func testSegmentsOverACacheAreOneSegment() throws {
    for name in ["llama-gqa", "llama-bias", "llama-rope-linear", "llama-rope-yarn"] {
      let model = try FixtureModel(name)
      let lane = FixtureLane(model, row: 0)
      let tokens = try model.tokens("input_ids")
      let cache = LocalCache(model.decoder, capacity: tokens.count)
      var (logits, start) = ([Float](), 0)
      for length in [16, 1, 10, 21] {
        logits += lane.read(
          Array(tokens[start..<start + length]), retrieving: [], cache: cache)
        start += length
      }
      expectClose(logits, try model.floats("logits", row: 0), 2e-4, name)
    }
  }

  /// Where the middle of the cache was removed, the rest stands as if it had never been there, but
  /// with the states it got from it.
  func testRemovingTheMiddle() throws {
    let model = try FixtureModel("llama-gqa")
    let lane = FixtureLane(model, row: 0)
    let tokens = Array(try model.tokens("input_ids").prefix(24))
    let (whole, holed) = (
      LocalCache(model.decoder, capacity: 32), LocalCache(model.decoder, capacity: 32)
    )
    _ = lane.read(Array(tokens[..<4]), retrieving: [], cache: whole)
    _ = lane.read(Array(tokens[..<4]), retrieving: [], cache: holed)
    _ = lane.read(Array(tokens[4..<12]), retrieving: [], cache: holed)
    holed.remove(4..<12)
    XCTAssertEqual(
      lane.read(Array(tokens[12...]), retrieving: [], cache: holed),
      lane.read(Array(tokens[12...]), retrieving: [], cache: whole))
  }
}
