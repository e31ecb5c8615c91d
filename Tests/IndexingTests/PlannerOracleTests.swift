import Indexing
import TestSupport
import XCTest

final class PlannerOracleTests: XCTestCase {
  /// 3000 small streams over every combination of the rules.
  func testPlannerEqualsOracle() throws {
    var coverage = Coverage()
    for seed in 0..<3000 {
      var random = SplitMix64(seed: UInt64(seed))
      let settings = randomSettings(seed, &random)
      let chunks = randomStream(&random)
      let expected = MemoryOracle(settings, chunks).blocks
      let planned = try plan(settings, chunks)
      guard planned == expected else {
        let at = zip(planned, expected).first { $0 != $1 }
        return XCTFail("case \(seed): \(settings)\n\(at as Any)")
      }
      coverage.add(expected, settings)
    }
    XCTAssertEqual(coverage.cases, 3000)
    // The cases would prove little if they did not reach what they are there for.
    XCTAssertGreaterThan(coverage.evicting, 500)
    XCTAssertGreaterThan(coverage.full, 500)
    XCTAssertGreaterThan(coverage.partial, 500)
    XCTAssertGreaterThan(coverage.tied, 500)
  }

  private struct Coverage {
    var cases = 0
    var evicting = 0
    var full = 0
    var partial = 0
    var tied = 0

    mutating func add(_ blocks: [PlannedBlock], _ settings: MemorySettings) {
      cases += 1
      if blocks.contains(where: { !$0.evicted.isEmpty }) { evicting += 1 }
      if blocks.contains(where: { $0.neighbours.count == settings.topK }) { full += 1 }
      if blocks.contains(where: { 1..<settings.topK ~= $0.neighbours.count }) { partial += 1 }
      if settings.selection == .nearest,
        blocks.contains(where: { Set($0.scores).count < $0.scores.count })
      {
        tied += 1
      }
    }
  }

  private func randomSettings(_ seed: Int, _ random: inout SplitMix64) -> MemorySettings {
    // Capacities below a segment, odd ones, and such that a tenth is several chunks.
    let capacity =
      [1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 24, 31, 45].randomElement(using: &random)!
    let topK = Int.random(in: 1...6, using: &random)
    return MemorySettings(
      topK: topK, capacity: capacity,
      eviction: Eviction.allCases[seed % 4], reset: MemoryReset.allCases[seed / 4 % 2],
      selection: seed / 8 % 2 == 0 ? .nearest : Selection.allCases.randomElement(using: &random)!,
      seed: random.next(),
      alwaysRecent: seed % 3 == 0 ? Int.random(in: 0...topK, using: &random) : 0,
      heldBack: seed % 5 == 0 ? Int.random(in: 1...9, using: &random) : 0)
  }

  /// Documents of several segments, the last of each often short; blocks of a segment's first chunk
  /// and every few after; now and then a zero query, a long segment or one without blocks.
  private func randomStream(_ random: inout SplitMix64) -> [StreamChunk] {
    let dimension = [1, 2, 3, 17, 70].randomElement(using: &random)!
    let perBlock = Int.random(in: 1...4, using: &random)
    let perSegment = perBlock * Int.random(in: 1...4, using: &random)
    let quantum = [1, 2].randomElement(using: &random)!
    func vector(_ random: inout SplitMix64) -> [Float] {
      (0..<dimension).map { _ in Float(Int.random(in: -quantum...quantum, using: &random)) / 4 }
    }
    var chunks: [StreamChunk] = []
    for document in 0..<Int.random(in: 1...4, using: &random) {
      let segments = Int.random(in: 1...12, using: &random)
      for segment in 0..<segments {
        var length = perSegment
        if segment == segments - 1 { length = Int.random(in: 1...length, using: &random) }
        if Int.random(in: 0..<20, using: &random) == 0 { length *= 5 }
        let hasBlocks = Int.random(in: 0..<25, using: &random) > 0
        for chunk in 0..<length {
          var query: [Float]?
          if hasBlocks, chunk % perBlock == 0 {
            let isZero = Int.random(in: 0..<10, using: &random) == 0
            query = isZero ? Array(repeating: 0, count: dimension) : vector(&random)
          }
          chunks.append(
            StreamChunk(
              key: vector(&random), query: query, document: document, segment: segment))
        }
      }
    }
    return chunks
  }
}
