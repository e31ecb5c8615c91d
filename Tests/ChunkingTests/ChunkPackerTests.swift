import Chunking
import TestSupport
import XCTest

final class ChunkPackerTests: XCTestCase {
  private struct Input {
    var ids: [Int32]
    var source: UInt8
  }

  private func pack(
    _ documents: [Input], _ chunk: Int, _ segment: Int, _ packing: Packing,
    separator: Int32? = nil
  ) throws -> [PackedChunk] {
    var packer = ChunkPacker(
      chunkTokens: chunk, segmentTokens: segment, packing: packing, separator: separator)
    var chunks = [PackedChunk]()
    for document in documents {
      try packer.append(document.ids, source: document.source) { chunks.append($0) }
    }
    try packer.finish { chunks.append($0) }
    return chunks
  }

  /// Token by token, from the definition.
  private func oracle(
    _ documents: [Input], _ chunk: Int, _ segment: Int, _ packing: Packing,
    separator: Int32? = nil
  ) -> [PackedChunk] {
    // (id, source, number of the document)
    var tokens = [(Int32, UInt8, Int64)]()
    for document in documents where !document.ids.isEmpty {
      let number = tokens.last.map { $0.2 + 1 } ?? 0
      if let separator, number > 0 { tokens.append((separator, document.source, number)) }
      tokens += document.ids.map { ($0, document.source, number) }
    }
    if packing == .stream { tokens = tokens.map { ($0.0, $0.1, 0) } }
    var chunks = [PackedChunk]()
    var place = 0
    for (index, token) in tokens.enumerated() {
      let isNew = index == 0 || tokens[index - 1].2 != token.2
      place = isNew ? 0 : place + 1
      if place % chunk == 0 {
        chunks.append(
          PackedChunk(
            tokens: [], document: token.2, ordinal: Int32(place / chunk),
            segment: Int32(place / segment), source: token.1))
      }
      chunks[chunks.count - 1].tokens.append(token.0)
    }
    return chunks
  }

  func testEqualsOracle() throws {
    var generator = SplitMix64(seed: 1)
    for round in 0..<500 {
      let chunk = Int.random(in: 1...9, using: &generator)
      let segment = chunk * Int.random(in: 1...5, using: &generator)
      let documents = (0..<Int.random(in: 0...8, using: &generator)).map { number in
        Input(
          ids: (0..<Int.random(in: 0...40, using: &generator)).map { Int32($0) + 1000 },
          source: UInt8(number % 3))
      }
      let packing = Packing.allCases[round % 2]
      let separator: Int32? = packing == .stream && round % 4 == 1 ? 7 : nil
      XCTAssertEqual(
        try pack(documents, chunk, segment, packing, separator: separator),
        oracle(documents, chunk, segment, packing, separator: separator))
    }
  }

  func testNoChunkCrossesADocument() throws {
    let documents = [10, 0, 3, 8].enumerated().map { number, count in
      Input(ids: (0..<Int32(count)).map { Int32(number) * 100 + $0 }, source: UInt8(number))
    }
    let chunks = try pack(documents, 4, 8, .document)
    XCTAssertEqual(chunks.map(\.tokens.count), [4, 4, 2, 3, 4, 4])
    XCTAssertEqual(chunks.map(\.document), [0, 0, 0, 1, 2, 2])
    XCTAssertEqual(chunks.map(\.ordinal), [0, 1, 2, 0, 0, 1])
    XCTAssertEqual(chunks.map(\.segment), [0, 0, 1, 0, 0, 0])
    XCTAssertEqual(chunks.map(\.source), [0, 0, 0, 2, 3, 3])
    let stream = try pack(documents, 4, 8, .stream)
    XCTAssertEqual(stream.map(\.tokens.count), [4, 4, 4, 4, 4, 1])
    XCTAssertEqual(Set(stream.map(\.document)), [0])
    XCTAssertEqual(stream.map(\.segment), [0, 0, 1, 1, 2, 2])
    XCTAssertEqual(stream.map(\.source), [0, 0, 0, 2, 3, 3])
  }

  func testBudget() {
    var unlimited = TokenBudget(nil)
    XCTAssertEqual(unlimited.take([1, 2]), [1, 2])
    XCTAssertFalse(unlimited.isSpent)
    var budget = TokenBudget(5)
    XCTAssertEqual(budget.take([1, 2, 3]), [1, 2, 3])
    XCTAssertEqual(budget.take([]), [])
    XCTAssertFalse(budget.isSpent)
    XCTAssertEqual(budget.take([4, 5, 6]), [4, 5])
    XCTAssertTrue(budget.isSpent)
    XCTAssertEqual(budget.take([7]), [])
  }

  func testHoldoutIsTheLastShare() {
    for fraction in [0, 0.001, 0.05, 0.3, 0.5, 0.9, 0.999] {
      for count in 0...60 {
        var split = HoldoutSplit<Int>(fraction: fraction)
        var gone = [Int]()
        for document in 0..<count { split.append(document) { gone.append($0) } }
        let rounded = Int((fraction * Double(count)).rounded())
        let held = fraction == 0 || count < 2 ? 0 : min(count - 1, max(1, rounded))
        XCTAssertEqual(gone, Array(0..<count - held), "\(fraction) of \(count)")
        XCTAssertEqual(split.heldOut, Array(count - held..<count))
      }
    }
  }

  func testCorpusNumbersSources() throws {
    var corpus = Corpus(budget: TokenBudget(6), split: HoldoutSplit(fraction: 0.5))
    var gone = [NumberedDocument]()
    for (source, count) in [("b", 2), ("a", 0), ("b", 2), ("a", 3)] {
      let ids = [Int32](repeating: 9, count: count)
      let document = EncodedDocument(ids: ids, source: source, bytes: count)
      try corpus.append(document) { gone.append($0) }
    }
    XCTAssertEqual(corpus.sources, ["b", "a"])
    XCTAssertEqual(corpus.documents, 3)
    XCTAssertEqual(corpus.tokens, 6)
    XCTAssertTrue(corpus.isComplete)
    XCTAssertEqual(gone, [NumberedDocument(ids: [9, 9], source: 0)])
    XCTAssertEqual(
      corpus.heldOut,
      [
        NumberedDocument(ids: [9, 9], source: 0), NumberedDocument(ids: [9, 9], source: 1),
      ])
  }

  func testTooManySources() throws {
    var corpus = Corpus(budget: TokenBudget(nil), split: HoldoutSplit(fraction: 0))
    for number in 0...256 {
      let document = EncodedDocument(ids: [1], source: "\(number)", bytes: 1)
      if number < 256 {
        try corpus.append(document) { _ in }
      } else {
        XCTAssertThrowsError(try corpus.append(document) { _ in })
      }
    }
  }
}
