import Evaluation
import Foundation
import Indexing
import Kernels
import Modeling
import XCTest

/// Reading on and on with a memory.
final class ReadingSessionTests: XCTestCase {
  private let sizes = ReadingSizes(
    chunk: 4, segment: 8, block: 4, query: 5, context: SlidingContext(tokens: 18, sinks: 2))

  /// Without a memory, and while all fits into the context, reading piece by piece is one forward pass.
  func testShortTextIsOneSegment() throws {
    let model = TinyModel()
    let decoder = try model.build().decoder
    let tokens = text(14, model)
    let session = ReadingSession(decoder, live: nil, sizes: sizes) { _, _ in
      XCTFail("nothing to embed"); return []
    }
    try session.read(Array(tokens[..<3]))
    try session.read(Array(tokens[3..<12]))
    try session.finishReading()
    for token in tokens[12...] { try session.follow(token) }
    let pass = DecoderPass(decoder, maximumTokens: 14)
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    expectClose(session.logits, pass.logits([13])[0], 2e-5, "last logits")
  }

  /// What stands in the context, and where, for sinks of less and of more than a chunk.
  func testWhatLeavesTheContext() {
    for (sinks, context) in [(0, 16), (2, 18), (6, 20), (2, 15)] {
      let sizes = ReadingSizes(
        chunk: 4, segment: 8, block: 4, query: 5,
        context: SlidingContext(tokens: context, sinks: sinks))
      var (kept, departed) = ([Int](), 0)
      for end in 1...60 {
        let leaving = sizes.departed(end)
        XCTAssertEqual(leaving % 4, 0)
        XCTAssertLessThanOrEqual(leaving, max(0, end - 8), "a chunk may leave after its segment")
        for token in departed..<max(departed, leaving) {
          // Its chunk still lies in the cache in one piece.
          XCTAssertEqual(kept[token - max(0, departed - sinks)], token)
        }
        kept.removeAll { (sinks..<max(sinks, leaving)).contains($0) }
        departed = leaving
        kept.append(end - 1)
        XCTAssertEqual(kept.count, sizes.cached(end))
        XCTAssertLessThanOrEqual(kept.count, context)
        XCTAssertEqual(Array(kept.prefix(sinks)), Array(0..<min(sinks, end)))
      }
    }
  }

  /// Step by step: the oldest chunks leave for memory, blocks retrieve, a segment is read behind what is
  /// left; then a question, then its answer token by token.
  func testLongTextAgainstTheStepsWrittenOut() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let tokens = text(43, model)
    let question = text(5, model)
    let session = try self.session(decoder)
    try session.read(Array(tokens[..<20]))
    try session.read(Array(tokens[20...]))
    try session.finishReading()
    var logits = [session.logits]
    try session.ask(question, query: Array(question[1...]))
    logits.append(session.logits)
    for token in text(6, model) {
      try session.follow(token)
      logits.append(session.logits)
    }

    let steps = Steps(self, decoder)
    for start in stride(from: 0, to: 43, by: 8) {
      steps.read(Array(tokens[start..<min(start + 8, 43)]), queries: nil)
    }
    var expected = [steps.logits]
    steps.read(question, queries: [Array(question[1...])])
    expected.append(steps.logits)
    for (index, token) in text(6, model).enumerated() {
      if index == 4 { steps.found = nil }
      steps.read([token], queries: index == 4 ? [Array(steps.all.suffix(5))] : nil)
      expected.append(steps.logits)
    }
    XCTAssertEqual(logits, expected)
    XCTAssertGreaterThan(session.retrievals, 0)
  }

  /// However a text comes, and put aside wherever, the same bits answer.
  func testPiecesAndPuttingAsideChangeNothing() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let (tokens, question) = (text(61, model), text(6, model))
    let whole = try session(decoder)
    try whole.read(tokens)
    for pieces in [[20, 41], [1, 7, 8, 45], [17, 4, 3, 37], [61]] {
      var (other, start) = (try session(decoder), 0)
      for count in pieces {
        try other.read(Array(tokens[start..<start + count]))
        start += count
        other = try session(decoder, state: other.state, event: other.event)
      }
      XCTAssertEqual(other.state.context, whole.state.context, "\(pieces)")
      XCTAssertEqual(other.state.chunks.map(\.entry), whole.state.chunks.map(\.entry))
      XCTAssertEqual(other.event, whole.event)
      let same = try session(decoder, state: whole.state, event: whole.event)
      try same.ask(question, query: question)
      try other.ask(question, query: question)
      XCTAssertEqual(other.logits, same.logits, "\(pieces)")
      for token in text(9, model) {
        try other.follow(token)
        try same.follow(token)
      }
      XCTAssertEqual(other.logits, same.logits, "\(pieces)")
    }
  }

  /// Retrieved passages are named by their place in the text; a bounded memory forgets.
  func testPassagesAndBounds() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let tokens = text(61, model)
    let session = try self.session(decoder, capacity: 3)
    try session.read(tokens)
    XCTAssertEqual(session.storedChunks, 10)
    XCTAssertLessThanOrEqual(session.liveChunks, 3)
    try session.finishReading()
    var seen: [ReadingSession.Passage] = []
    session.didRetrieve = { seen += $0 }
    let question = text(5, model)
    try session.ask(question, query: question)
    XCTAssertEqual(seen.count, 2)
    for passage in seen {
      let own = vector(Array(session.tokens[passage.range]))
      XCTAssertEqual(passage.score, product(own, vector(question)), accuracy: 1e-5)
    }
  }

  /// A question longer than a segment is text in its beginning.
  func testLongQuestion() throws {
    let model = memoryModel
    let decoder = try model.build().decoder
    let (tokens, question) = (text(20, model), text(29, model))
    let (long, short) = (try session(decoder), try session(decoder))
    try long.read(tokens)
    try long.ask(question, query: question)
    try short.read(tokens + question[..<21])
    try short.ask(Array(question[21...]), query: question)
    XCTAssertEqual(long.logits, short.logits)
    XCTAssertEqual(long.tokens, tokens + question)
  }

  /// The session's steps with nothing of its bookkeeping: all tokens and their places are written out.
  private final class Steps {
    let tests: ReadingSessionTests
    let pass: DecoderPass
    let cache: LocalCache
    var all: [Int32] = []
    /// Places in the text of what the cache holds.
    var places: [Int] = []
    var chunks: [(tokens: [Int32], chunk: MemoryChunk)] = []
    var found: [MemoryChunk]?

    init(_ tests: ReadingSessionTests, _ decoder: Decoder) {
      self.tests = tests
      pass = DecoderPass(decoder, maximumTokens: 8)
      cache = LocalCache(decoder, capacity: 18)
    }

    var logits: [Float] { pass.logits([pass.tokens.count - 1])[0] }

    func read(_ piece: [Int32], queries: [[Int32]]?) {
      while cache.count + piece.count > 18 {
        let first = chunks.count * 4
        // The first chunk holds the sinks, 0 and 1, which stay.
        let from = places.firstIndex(of: first)!
        chunks.append((Array(all[first..<first + 4]), cache.memoryChunk(from..<from + 4)))
        let leaving = from + (first == 0 ? 2 : 0)..<from + 4
        cache.remove(leaving)
        places.removeSubrange(leaving)
      }
      var blocks: [Segment.Block] = []
      if let queries {
        found = retrieve(queries[0])
        blocks = [.init(queries: 0..<piece.count, chunks: found!)]
      } else if piece.count == 1 {
        blocks = [.init(queries: 0..<1, chunks: found!)]
      } else {
        let text = all + piece
        for start in stride(from: 0, to: piece.count, by: 4) {
          let end = all.count + start
          found = retrieve(Array(text[max(0, end - 5)..<end]))
          blocks.append(.init(queries: start..<min(start + 4, piece.count), chunks: found!))
        }
      }
      pass.forward(
        Segment(tokens: piece, targets: piece.map { _ in -1 }, blocks: blocks), cache: cache)
      places += all.count..<all.count + piece.count
      all += piece
    }

    private func retrieve(_ query: [Int32]) -> [MemoryChunk] {
      guard !chunks.isEmpty else { return [] }
      let scores = chunks.map { tests.product(tests.vector($0.tokens), tests.vector(query)) }
      let best = chunks.indices.sorted {
        scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
      }
      return best.prefix(2).sorted().map { chunks[$0].chunk }
    }
  }

  private var memoryModel: TinyModel {
    TinyModel(
      memory: MemoryConfiguration(
        memoryLayer: 0, retrievalLayers: [0, 1, 2], positions: .continual, source: .own,
        chunkTokens: 4))
  }

  private func session(
    _ decoder: Decoder, state: ReadingSession.State? = nil, event: Int = 0, capacity: Int = 100
  ) throws -> ReadingSession {
    let live = LiveMemory(
      MemorySettings(topK: 2, capacity: capacity, reset: .never), dimension: 3,
      workers: Workers(threads: 1), entries: (state?.chunks ?? []).map(\.entry), event: event)
    return ReadingSession(decoder, live: live, sizes: sizes, state: state) { [self] runs, _ in
      runs.flatMap { vector($0) }
    }
  }

  private func text(_ count: Int, _ model: TinyModel) -> [Int32] {
    (0..<count).map { Int32(($0 * $0 + 3 * $0 + count) % model.vocabulary) }
  }

  /// Stands in for a retriever.
  fileprivate func vector(_ tokens: [Int32]) -> [Float] {
    [0, 1, 2].map { seed in
      tokens.enumerated().reduce(Float(0)) { $0 + sin(Float($1.element) * Float(seed + 1)) }
    }
  }

  fileprivate func product(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
