import Evaluation
import Foundation
import Kernels
import Modeling
import TestSupport
import Weights
import XCTest

/// Prompts answered over a cache and a memory, against one pass over the whole text.
final class PromptReaderTests: XCTestCase {
  private func decoder(_ memory: MemoryConfiguration?) throws -> Decoder {
    let folder = try modelFolder(configuration: "llama-gqa", weights: ["llama-gqa"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try Decoder(
      files: try ModelFiles.open(path: folder), memory: memory, residency: .expanded,
      compute: Compute(threads: 2))
  }

  private func segment(_ tokens: [Int32], row: Int) -> PlannedSegment {
    PlannedSegment(
      firstRow: row, chunkLengths: [tokens.count], tokens: tokens, nextToken: -1, document: 0)
  }

  private let prompt: [Int32] = [5, 9, 2, 14, 33, 7]
  private let endings: [[Int32]] = [[4], [8, 3], [8, 3, 11, 6]]

  /// Summed negative log-likelihood of each ending after the prompt, read in one pass.
  private func direct(
    _ decoder: Decoder, _ chunks: [MemoryChunk]
  ) -> [Double] {
    endings.map { ending in
      let tokens = prompt + ending
      var targets = Segment.shifted(tokens)
      for position in 0..<prompt.count - 1 { targets[position] = -1 }
      let pass = DecoderPass(decoder, maximumTokens: 32)
      let blocks =
        chunks.isEmpty ? [] : [Segment.Block(queries: 0..<tokens.count, chunks: chunks)]
      pass.forward(Segment(tokens: tokens, targets: targets, blocks: blocks))
      return -pass.losses(targets).reduce(0, +)
    }
  }

  private func expectClose(_ a: [Double], _ b: [Double], line: UInt = #line) {
    XCTAssertEqual(a.count, b.count, line: line)
    for (a, b) in zip(a, b) { XCTAssertEqual(a, b, accuracy: 2e-4, line: line) }
  }

  func testLikelihoodsWithoutMemory() throws {
    let decoder = try decoder(nil)
    let reader = PromptReader(decoder, tokens: 4)  // shorter than the prompt: it must grow
    reader.begin(RetrievalPlan())
    try reader.ask(segment(prompt, row: 0), continuation: 4)
    expectClose(reader.logLikelihoods(of: endings), direct(decoder, []))
    // Endings leave nothing behind.
    expectClose(reader.logLikelihoods(of: endings), direct(decoder, []))
  }

  /// Windows of one chunk, each reading those before, then the prompt: the published long input.
  func testLikelihoodsWithMemory() throws {
    // What a window retrieves bears on what it leaves in the last two, not in the first two.
    let layouts: [(Int, [Int], MemoryConfiguration.Positions, MemoryConfiguration.Source)] = [
      (1, [1, 2], .zero, .shared), (1, [1, 2], .continual, .shared), (2, [0, 2], .zero, .shared),
      (1, [1, 2], .continual, .own),
    ]
    for (layer, layers, positions, source) in layouts {
      let decoder = try decoder(
        MemoryConfiguration(
          memoryLayer: layer, retrievalLayers: layers, positions: positions, source: source,
          chunkTokens: 4))
      let windows: [[Int32]] = [[1, 2, 3, 4], [6, 5, 4, 3], [9, 8]]
      let reads = [[], [0], [0, 1], [0, 2]]
      var plan = RetrievalPlan()
      for (row, chunks) in reads.enumerated() { plan.append(row: row, neighbours: chunks) }

      let reader = PromptReader(decoder, tokens: 8)
      reader.begin(plan)
      for (row, window) in windows.enumerated() { try reader.read(segment(window, row: row)) }
      try reader.ask(segment(prompt, row: 3), continuation: 4)

      let pass = DecoderPass(decoder, maximumTokens: 8)
      var chunks: [MemoryChunk] = []
      for (row, window) in windows.enumerated() {
        let targets = Segment.shifted(window)
        let read = reads[row].map { chunks[$0] }
        pass.forward(
          Segment(
            tokens: window, targets: targets,
            blocks: [Segment.Block(queries: 0..<window.count, chunks: read)]))
        chunks.append(pass.memoryChunk(0..<window.count))
      }
      let expected = direct(decoder, [chunks[0], chunks[2]])
      expectClose(reader.logLikelihoods(of: endings), expected)
      XCTAssertNotEqual(expected[0], direct(decoder, [])[0], accuracy: 1e-3)
    }
  }

  /// Segments and a prompt beside a context: the same as one cache over all of them, trimmed by hand.
  func testLikelihoodsBesideAContext() throws {
    let decoder = try decoder(
      MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: [0, 1, 2, 3], positions: .continual, source: .own,
        chunkTokens: 4))
    let texts: [[Int32]] = [[1, 2, 3, 4], [6, 5, 4, 3], [9, 8, 7, 6], [11, 12, 13, 14]]
    let reads = [[], [], [0], [0, 1], [1]]
    var plan = RetrievalPlan()
    for (row, chunks) in reads.enumerated() { plan.append(row: row, neighbours: chunks) }
    let reader = PromptReader(
      decoder, tokens: 12, context: SlidingContext(tokens: 9, sinks: 1))

    for before in [4, 0] {
      reader.begin(plan)
      for (row, text) in texts.enumerated() { try reader.read(segment(text, row: row)) }
      try reader.ask(segment(prompt, row: 4), continuation: 4, after: before)

      let pass = DecoderPass(decoder, maximumTokens: 12)
      let cache = LocalCache(decoder, capacity: 32)
      var chunks: [MemoryChunk] = []
      for (row, text) in texts.enumerated() {
        // Nine tokens are the first, four before the segment, and the segment.
        if cache.count > 5 { cache.remove(1..<cache.count - 4) }
        pass.forward(
          Segment(
            tokens: text, targets: Segment.shifted(text),
            blocks: [.init(queries: 0..<4, chunks: reads[row].map { chunks[$0] })]), cache: cache)
        chunks.append(pass.memoryChunk(0..<4))
      }
      cache.remove(before == 0 ? 0..<cache.count : 1..<cache.count - before)
      let start = cache.count
      let expected = endings.map { ending in
        defer { cache.remove(start..<cache.count) }
        let tokens = prompt + ending
        var targets = Segment.shifted(tokens)
        for position in 0..<prompt.count - 1 { targets[position] = -1 }
        pass.forward(
          Segment(
            tokens: tokens, targets: targets,
            blocks: [.init(queries: 0..<tokens.count, chunks: [chunks[1]])]), cache: cache)
        return -pass.losses(targets).reduce(0, +)
      }
      expectClose(reader.logLikelihoods(of: endings), expected)
    }
  }

  /// Greedy decoding takes what a pass over everything so far finds likeliest, and can be repeated.
  func testGreedy() throws {
    let decoder = try decoder(nil)
    let reader = PromptReader(decoder, tokens: 8)
    reader.begin(RetrievalPlan())
    try reader.ask(segment(prompt, row: 0), continuation: 6)
    let tokens = reader.greedy(6)
    let pass = DecoderPass(decoder, maximumTokens: 32)
    var text = prompt
    for token in tokens {
      pass.forward(Segment(tokens: text, targets: text.map { _ in -1 }))
      let logits = pass.logits([text.count - 1])[0]
      XCTAssertEqual(logits.indices.max { logits[$0] < logits[$1] }, Int(token))
      text.append(token)
    }
    XCTAssertEqual(tokens.count, 6)
    XCTAssertEqual(reader.greedy(6), tokens)
    XCTAssertEqual(reader.greedy(6) { $0 == tokens[2] }.last, tokens[2])
  }
}
