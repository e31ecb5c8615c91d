import Modeling
import XCTest

/// One row of a memory fixture's batch, read call by call as the published code reads it.
final class FixtureLane {
  let model: FixtureModel
  let row: Int
  private let pass: DecoderPass
  /// Stored chunks in time order, as far as the test keeps them.
  var chunks: [MemoryChunk] = []

  init(_ model: FixtureModel, row: Int, maximumTokens: Int = 64) {
    self.model = model
    self.row = row
    pass = DecoderPass(model.decoder, maximumTokens: maximumTokens)
  }

  /// The logits [T · V] of `tokens`, all of which attend to `retrieved` and to `cache`.
  func read(
    _ tokens: [Int32], retrieving retrieved: [MemoryChunk], cache: LocalCache? = nil
  ) -> [Float] {
    pass.forward(
      Segment(
        tokens: tokens, targets: Segment.shifted(tokens),
        blocks: [.init(queries: 0..<tokens.count, chunks: retrieved)]), cache: cache)
    return pass.logits(Array(tokens.indices)).flatMap { $0 }
  }

  /// The last call's negative log-likelihoods, summed.
  func loss(_ targets: [Int32]) -> Double { pass.losses(targets).reduce(0, +) }

  /// What the last call's tokens leave in memory, cut in chunks of `size`, the last one shorter.
  func newChunks(_ count: Int, size: Int) -> [MemoryChunk] {
    stride(from: 0, to: count, by: size).map {
      pass.memoryChunk($0..<min($0 + size, count))
    }
  }

  /// The rows that call `call` of step `step` retrieved; none before the memory has any.
  func retrieved(step: Int, call: Int = 0) throws -> [Int] {
    let name = "step\(step).call\(call).retrieved_indices"
    return model.has(name) ? try model.integers(name, row: row) : []
  }

  func expectLogits(
    _ name: String, _ logits: [Float], tolerance: Float = 2e-4, file: StaticString = #filePath,
    line: UInt = #line
  ) throws {
    let expected = try model.floats(name, row: row).prefix(logits.count)
    expectClose(
      logits, Array(expected), tolerance, "\(name), row \(row)", file: file, line: line)
  }

  /// `chunks` against the fixture's memory `<prefix>mem_keys`, `…values`, from token `offset` on.
  func expectMemory(
    _ prefix: String, _ chunks: [MemoryChunk], offset: Int = 0, file: StaticString = #filePath,
    line: UInt = #line
  ) throws {
    let tokens = offset..<offset + chunks.reduce(0) { $0 + $1.tokens }
    let pairs = chunks.map { $0.expanded(slot: 0) }
    for (name, ours) in [
      ("mem_keys", pairs.flatMap(\.keys)), ("mem_values", pairs.flatMap(\.values)),
    ] {
      expectClose(
        ours, try storedMemory(prefix + name, tokens), 2e-5,
        "\(prefix)\(name), row \(row)", file: file, line: line)
    }
  }

  /// Tokens of a stored tensor [B, Hkv, S, hd], laid out as a chunk is: token by token.
  func storedMemory(_ name: String, _ tokens: Range<Int>) throws -> [Float] {
    let c = model.decoder.configuration
    let stored = try model.floats(name, row: row)
    let total = stored.count / c.keyValueWidth
    var result: [Float] = []
    for token in tokens {
      for head in 0..<c.keyValueHeads {
        let start = (head * total + token) * c.headSize
        result += stored[start..<start + c.headSize]
      }
    }
    return result
  }
}

func expectClose(
  _ ours: [Float], _ theirs: [Float], _ tolerance: Float, _ what: String,
  file: StaticString = #filePath, line: UInt = #line
) {
  let difference = largestDifference(ours, theirs)
  XCTAssertLessThanOrEqual(difference, tolerance, what, file: file, line: line)
}
