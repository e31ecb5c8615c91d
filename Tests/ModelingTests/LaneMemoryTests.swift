import Modeling
import TestSupport
import XCTest

/// A lane's memory holds what its plan still reads, and that changes no result.
final class LaneMemoryTests: XCTestCase {
  /// Chunks that live for one segment, for many, and such that nothing reads; blocks that start inside
  /// a segment; a segment that is one chunk.
  func testBankKeepsWhatIsStillRead() throws {
    let memory = MemoryConfiguration(
      memoryLayer: 0, retrievalLayers: [0, 1], positions: .continual, source: .own)
    let decoder = try TinyModel(layers: 2, memory: memory).build().decoder
    for seed in 1...8 { try check(PlannedLane(segments: 60, seed: UInt64(seed)), decoder) }
  }

  private func check(_ lane: PlannedLane, _ decoder: Decoder) throws {
    let (pass, second) = (
      DecoderPass(decoder, maximumTokens: 12), DecoderPass(decoder, maximumTokens: 12)
    )
    var kept: [MemoryChunk] = []  // a bank that forgets nothing
    var bank = LaneMemory(plan: lane.plan)
    var peak = 0
    for segment in lane.segments {
      let blocks = try bank.blocks(of: segment)
      XCTAssertEqual(blocks.map(\.queries), lane.queries(of: segment))
      let all = zip(blocks, lane.reads(of: segment)).map { block, rows in
        Segment.Block(queries: block.queries, chunks: rows.map { kept[$0] })
      }
      let targets = Segment.shifted(segment.tokens)
      pass.forward(Segment(tokens: segment.tokens, targets: targets, blocks: blocks))
      second.forward(Segment(tokens: segment.tokens, targets: targets, blocks: all))
      let positions = Array(segment.tokens.indices)
      XCTAssertEqual(pass.logits(positions), second.logits(positions))
      try bank.advance(past: segment, pass)
      var start = 0
      for length in segment.chunkLengths {
        kept.append(second.memoryChunk(start..<start + length))
        start += length
      }
      let needed = lane.rowsRead(from: kept.count)
      peak = max(peak, needed.count)
      XCTAssertEqual(bank.bank.count, needed.count)
      for row in kept.indices {
        XCTAssertEqual(bank.bank[row] != nil, needed.contains(row), "chunk \(row)")
      }
    }
    XCTAssertEqual(bank.bank.count, 0)
    XCTAssertEqual(bank.bank.peakChunks, peak)
    XCTAssertLessThan(peak, kept.count / 3)
  }

  /// Two lanes follow one plan, each over its own rows, in any order.
  func testLanesShareAPlan() throws {
    let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1])
    let decoder = try TinyModel(layers: 2, memory: memory).build().decoder
    let lanes = [
      PlannedLane(segments: 9, seed: 1), PlannedLane(segments: 7, seed: 2, firstRow: 500),
    ]
    var plan = RetrievalPlan()
    for lane in lanes {
      for block in lane.blocks { plan.append(row: block.row, neighbours: block.reads) }
    }
    func logits(_ lane: PlannedLane, _ bank: inout LaneMemory, _ pass: DecoderPass, _ index: Int)
      throws -> [[Float]]
    {
      let segment = lane.segments[index]
      pass.forward(
        Segment(
          tokens: segment.tokens, targets: Segment.shifted(segment.tokens),
          blocks: try bank.blocks(of: segment)))
      try bank.advance(past: segment, pass)
      return pass.logits(Array(segment.tokens.indices))
    }
    let pass = DecoderPass(decoder, maximumTokens: 12)
    let alone = try lanes.map { lane in
      var bank = LaneMemory(plan: lane.plan)
      return try lane.segments.indices.map { try logits(lane, &bank, pass, $0) }
    }
    var banks = lanes.map { _ in LaneMemory(plan: plan) }
    for index in 0..<9 {
      for (number, lane) in lanes.enumerated() where index < lane.segments.count {
        XCTAssertEqual(try logits(lane, &banks[number], pass, index), alone[number][index])
      }
    }
    XCTAssertEqual(banks.map(\.bank.count), [0, 0])
  }

  func testPlanOfOtherChunksIsRefused() throws {
    let segment = PlannedSegment(
      firstRow: 4, chunkLengths: [3, 3], tokens: [1, 2, 3, 4, 5, 6], nextToken: -1, document: 0)
    func failure(_ blocks: [(row: Int, reads: [Int])]) -> String {
      var plan = RetrievalPlan()
      for block in blocks { plan.append(row: block.row, neighbours: block.reads) }
      do {
        _ = try LaneMemory(plan: plan).blocks(of: segment)
        return ""
      } catch { return "\(error)" }
    }
    XCTAssertEqual(failure([]), "")
    XCTAssertEqual(failure([(4, []), (5, [])]), "")
    XCTAssertEqual(failure([(5, [])]), "the plan has no row for the segment at chunk row 4")
    XCTAssertEqual(failure([(8, [])]), "the plan has no row for the segment at chunk row 4")
    XCTAssertEqual(failure([(4, [1])]), "plan row 4 retrieves chunk 1, which is not in memory")
    // A block never reads its own segment.
    XCTAssertEqual(
      failure([(4, []), (5, [4])]), "plan row 5 retrieves chunk 4, which is not in memory")
  }
}

/// Random segments of one to four chunks with a plan over them.
private struct PlannedLane {
  private(set) var segments: [PlannedSegment] = []
  private(set) var blocks: [(row: Int, reads: [Int])] = []

  init(segments count: Int, seed: UInt64, firstRow: Int = 0) {
    var random = SplitMix64(seed: seed)
    var row = firstRow
    for _ in 0..<count {
      let lengths = random.integers(Int.random(in: 1...4, using: &random), in: 1..<4)
      let tokens = random.integers(lengths.reduce(0, +), in: 0..<23).map(Int32.init)
      segments.append(
        PlannedSegment(
          firstRow: row, chunkLengths: lengths, tokens: tokens, nextToken: -1, document: 0))
      for chunk in lengths.indices where chunk == 0 || random.next() % 3 == 0 {
        // Mostly recent chunks, sometimes an old one.
        let recent = random.integers(3, in: 0..<12).map { row - 1 - $0 }
        let old = random.next() % 8 == 0 ? [row - 1 - Int(random.next() % 60)] : []
        blocks.append(
          (row + chunk, Set(recent + old).filter { $0 >= firstRow && $0 % 3 != 0 }.sorted()))
      }
      row += lengths.count
    }
  }

  var plan: RetrievalPlan {
    var plan = RetrievalPlan()
    for block in blocks { plan.append(row: block.row, neighbours: block.reads) }
    return plan
  }

  private func blocks(of segment: PlannedSegment) -> [(row: Int, reads: [Int])] {
    let rows = segment.firstRow..<segment.firstRow + segment.chunkLengths.count
    return blocks.filter { rows.contains($0.row) }
  }

  func reads(of segment: PlannedSegment) -> [[Int]] { blocks(of: segment).map(\.reads) }

  func queries(of segment: PlannedSegment) -> [Range<Int>] {
    let starts = blocks(of: segment).map {
      segment.chunkLengths[..<($0.row - segment.firstRow)].reduce(0, +)
    }
    return zip(starts, starts.dropFirst() + [segment.tokens.count]).map { $0..<$1 }
  }

  /// The rows that a block at `row` or later reads, of those before `row`.
  func rowsRead(from row: Int) -> Set<Int> {
    Set(blocks.filter { $0.row >= row }.flatMap(\.reads).filter { $0 < row })
  }
}
