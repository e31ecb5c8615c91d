import Evaluation
import Foundation
import Indexing
import Kernels
import Modeling
import XCTest

/// Reading on and on with a memory.
final class ReadingSessionTests: XCTestCase {
  /// Without a memory, and while all fits into the window, reading piece by piece is one forward pass.
  func testShortTextIsOneSegment() throws {
    let model = TinyModel()
    let decoder = try model.build().decoder
    let tokens = text(14, model)
    let session = ReadingSession(
      decoder, live: nil, sizes: .init(chunk: 4, block: 8, context: 16, query: 4)
    ) { _ in
      XCTFail("nothing to embed"); return ([], [])
    }
    try session.read(Array(tokens[..<3]))
    try session.read(Array(tokens[3...]))
    let pass = DecoderPass(decoder, maximumTokens: 14)
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    expectClose(session.logits, pass.logits([13])[0], 2e-5, "last logits")
  }

  /// The published decoding, step by step: spill the older half, retrieve, read with cache and memory.
  func testLongTextAgainstTheStepsWrittenOut() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let tokens = text(30, model)
    let session = try self.session(decoder)
    var logits: [Float] = []
    for start in stride(from: 0, to: 30, by: 8) {
      try session.read(Array(tokens[start..<min(start + 8, 30)]))
      logits += session.logits
    }

    let (pass, cache) = (
      DecoderPass(decoder, maximumTokens: 8), LocalCache(decoder, capacity: 16)
    )
    var (chunks, expected): ([[Int32]: MemoryChunk], [Float]) = ([:], [])
    var order: [[Int32]] = []
    var oldest = 0  // first token in the cache
    for start in stride(from: 0, to: 30, by: 8) {
      let piece = Array(tokens[start..<min(start + 8, 30)])
      if cache.count + piece.count > 16 {
        for place in [0, 4] {
          let own = Array(tokens[oldest + place..<oldest + place + 4])
          chunks[own] = cache.memoryChunk(place..<place + 4)
          order.append(own)
        }
        cache.remove(0..<8)
        oldest += 8
      }
      let query = vector(Array(tokens[max(0, start - 4)..<start]))
      let best = order.indices.sorted { a, b in
        let (x, y) = (product(vector(order[a]), query), product(vector(order[b]), query))
        return x != y ? x > y : a < b
      }.prefix(2).sorted()
      pass.forward(
        Segment(
          tokens: piece, targets: Segment.shifted(piece),
          blocks: [.init(queries: 0..<piece.count, chunks: best.map { chunks[order[$0]]! })]),
        cache: cache)
      expected += pass.logits([piece.count - 1])[0]
    }
    XCTAssertEqual(logits, expected)
    XCTAssertGreaterThan(session.retrievals, 0)
  }

  /// A memory that was put aside goes on as if it had stayed.
  func testGoingOnFromStoredChunks() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let tokens = text(30, model)
    let whole = try session(decoder)
    try whole.read(tokens)
    try whole.flush()
    let question = text(6, model)
    let second = try session(
      decoder, chunks: whole.chunks, nextRow: whole.nextRow, event: whole.event)
    XCTAssertEqual(second.liveChunks, whole.liveChunks)
    try whole.read(question, asking: true)
    try second.read(question, asking: true)
    XCTAssertGreaterThan(second.retrievals, 0)
    XCTAssertEqual(second.logits, whole.logits)
  }

  private var memoryModel: TinyModel {
    TinyModel(memory: MemoryConfiguration(memoryLayer: 1, retrievalLayers: [1, 2], chunkTokens: 4))
  }

  private func session(
    _ decoder: Decoder, chunks: [ReadingSession.StoredChunk] = [], nextRow: Int = 0,
    event: Int = 0
  ) throws -> ReadingSession {
    let live = LiveMemory(
      MemorySettings(topK: 2, capacity: 100, reset: .never), dimension: 3,
      workers: Workers(threads: 1), entries: chunks.map(\.entry), event: event)
    return ReadingSession(
      decoder, live: live, sizes: .init(chunk: 4, block: 8, context: 16, query: 4),
      chunks: chunks, nextRow: nextRow
    ) { [self] in (vector($0), []) }
  }

  private func text(_ count: Int, _ model: TinyModel) -> [Int32] {
    (0..<count).map { Int32(($0 * $0 + 3 * $0 + count) % model.vocabulary) }
  }

  /// Stands in for a retriever.
  private func vector(_ tokens: [Int32]) -> [Float] {
    [0, 1, 2].map { seed in
      tokens.enumerated().reduce(Float(0)) { $0 + sin(Float($1.element) * Float(seed + 1)) }
    }
  }

  private func product(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
