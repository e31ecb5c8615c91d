import Evaluation
import Modeling
import TestSupport
import XCTest

/// Baselines that attend to the text before a segment, against a reader of one token at a time.
final class ContextTests: XCTestCase {
  private let documents: [[Int32]] = {
    var random = SplitMix64(seed: 3)
    return [37, 5, 22].map { random.integers($0, in: 0..<19).map { Int32($0) } }
  }()
  private let segmentTokens = 8

  /// The documents' segments in order.
  private func segments() -> [PlannedSegment] {
    var row = 0
    return documents.enumerated().flatMap { number, tokens in
      stride(from: 0, to: tokens.count, by: segmentTokens).map { start in
        let own = Array(tokens[start..<min(start + segmentTokens, tokens.count)])
        defer { row += 1 }
        return PlannedSegment(
          firstRow: row, chunkLengths: [own.count], tokens: own,
          nextToken: start + own.count < tokens.count ? tokens[start + own.count] : -1,
          document: number)
      }
    }
  }

  private func scores(
    _ decoder: Decoder, _ context: LocalContext?, plan: RetrievalPlan = RetrievalPlan(),
    firstScored: Int = 1
  ) throws -> [Double?] {
    let evaluator = StreamEvaluator(
      decoder, plan: plan, segmentTokens: segmentTokens, documentTokens: 37, context: context,
      firstScored: firstScored)
    return try segments().flatMap { try evaluator.score($0) }
  }

  /// Token by token; `prepare` changes the context before a segment of `count` tokens is read.
  private func naive(
    _ reader: NaiveReader, _ prepare: (_ place: Int, _ document: [Int32], _ count: Int) -> Void
  ) -> [Double?] {
    documents.flatMap { tokens in
      reader.forgetAll()
      var result: [Double?] = [nil]
      for (place, token) in tokens.enumerated() {
        if place % segmentTokens == 0 {
          prepare(place, tokens, min(segmentTokens, tokens.count - place))
        }
        let losses = reader.read(token)
        if place + 1 < tokens.count { result.append(losses[Int(tokens[place + 1])]) }
      }
      return result
    }
  }

  private func expectSame(_ found: [Double?], _ expected: [Double?], line: UInt = #line) {
    XCTAssertEqual(found.count, expected.count, line: line)
    for (index, pair) in zip(found, expected).enumerated() {
      switch pair {
      case (nil, nil): continue
      case (let found?, let expected?):
        XCTAssertEqual(found, expected, accuracy: 1e-4, "token \(index)", line: line)
      default: XCTFail("token \(index): \(pair)", line: line)
      }
    }
  }

  func testSegmentAlone() throws {
    let (decoder, reader) = try TinyModel().build()
    expectSame(try scores(decoder, nil), naive(reader) { _, _, _ in reader.forgetAll() })
  }

  /// The whole document, however the longest context is named, equals one forward pass over it.
  func testFullContextIsOnePass() throws {
    let (decoder, reader) = try TinyModel().build()
    let full = try scores(decoder, LocalContext(tokens: nil))
    expectSame(full, naive(reader) { _, _, _ in })
    let pass = DecoderPass(decoder, maximumTokens: 37)
    let whole = documents.flatMap { tokens -> [Double?] in
      let targets = Segment.shifted(tokens)
      pass.forward(Segment(tokens: tokens, targets: targets))
      return [nil] + pass.losses(targets)
    }
    expectSame(full, whole)
    XCTAssertEqual(try scores(decoder, LocalContext(tokens: 37)), full)
    XCTAssertEqual(try scores(decoder, LocalContext(tokens: 1 << 30, sinks: 4)), full)
    expectSame(try scores(decoder, LocalContext(tokens: 40, mode: .reread)), whole)
  }

  func testSlidingContext() throws {
    let (decoder, reader) = try TinyModel().build()
    for tokens in [8, 9, 13, 16, 20] {
      let expected = naive(reader) { _, _, count in
        reader.forget(0..<max(0, reader.context[0].count + count - tokens))
      }
      expectSame(try scores(decoder, LocalContext(tokens: tokens)), expected)
    }
  }

  func testSinksStay() throws {
    let (decoder, reader) = try TinyModel().build()
    for (tokens, sinks) in [(10, 2), (13, 4), (16, 3)] {
      let expected = naive(reader) { _, _, count in
        let excess = max(0, reader.context[0].count + count - tokens)
        if excess > 0 { reader.forget(sinks..<sinks + excess) }
      }
      let found = try scores(decoder, LocalContext(tokens: tokens, sinks: sinks))
      expectSame(found, expected)
      XCTAssertNotEqual(found, try scores(decoder, LocalContext(tokens: tokens)))
    }
  }

  /// What is read again has seen nothing before it.
  func testRereadContext() throws {
    let (decoder, reader) = try TinyModel().build()
    for tokens in [8, 11, 16] {
      let expected = naive(reader) { place, document, count in
        reader.forgetAll()
        for token in document[max(0, place + count - tokens)..<place] { _ = reader.read(token) }
      }
      expectSame(try scores(decoder, LocalContext(tokens: tokens, mode: .reread)), expected)
    }
  }

  /// Only the tokens from `firstScored` on, with the losses that they have anyway.
  func testFirstScored() throws {
    let (decoder, _) = try TinyModel().build()
    let all = try scores(decoder, nil)
    for first in [1, 2, 8, 9, 30] {
      let places = documents.flatMap { $0.indices }
      let expected = zip(all, places).map { $1 >= first ? $0 : nil }
      expectSame(try scores(decoder, nil, firstScored: first), expected)
    }
  }

  /// A sliding context beside a memory that reads a chunk of the document's first segment.
  func testContextBesideMemory() throws {
    var model = TinyModel()
    model.memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1], chunkTokens: 8)
    let (decoder, reader) = try model.build()
    var plan = RetrievalPlan()
    var first = 0
    for segment in segments() {
      if segment.document != first { first = segment.document }
      let start = segments().first { $0.document == first }?.firstRow ?? 0
      plan.append(
        row: segment.firstRow, neighbours: segment.firstRow > start ? [start] : [])
    }
    let found = try scores(decoder, LocalContext(tokens: 12), plan: plan)

    var (read, expected): (Int, [Double?]) = (0, [])
    for tokens in documents {
      reader.forgetAll()
      expected.append(nil)
      let documentStart = read
      for (place, token) in tokens.enumerated() {
        if place % 8 == 0 {
          let count = min(8, tokens.count - place)
          reader.forget(0..<max(0, reader.context[0].count + count - 12))
        }
        let memory = place < 8 ? [] : Array(reader.kept[documentStart..<documentStart + 8])
        let losses = reader.read(token, memory: memory)
        if place + 1 < tokens.count { expected.append(losses[Int(tokens[place + 1])]) }
      }
      read += tokens.count
    }
    expectSame(found, expected)
  }
}
