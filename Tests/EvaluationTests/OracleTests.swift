import Evaluation
import Modeling
import Safetensors
import TestSupport
import XCTest

/// The best chunks of a memory, against every chunk tried one token at a time.
final class OracleTests: XCTestCase {
  private let memory = MemoryConfiguration(memoryLayer: 0, retrievalLayers: [1], chunkTokens: 4)
  private let tokens: [Int32] = {
    var random = SplitMix64(seed: 5)
    return random.integers(40, in: 0..<19).map { Int32($0) }
  }()

  private func segment(_ number: Int, document: Int = 0) -> PlannedSegment {
    let end = 8 * number + 8
    return PlannedSegment(
      firstRow: 2 * number, chunkLengths: [4, 4], tokens: Array(tokens[end - 8..<end]),
      nextToken: end < tokens.count ? tokens[end] : -1, document: document)
  }

  /// Reads segment `number` of blocks of one chunk each, which read `chunks`: each block's loss.
  private func naive(_ reader: NaiveReader, _ number: Int, reading chunks: [[Int]]) -> [Double] {
    reader.forgetAll()
    var losses = [0.0, 0.0]
    for place in 8 * number..<8 * number + 8 {
      let block = place % 8 / 4
      let entries = chunks[block].flatMap { Array(reader.kept[4 * $0..<4 * $0 + 4]) }
      let next = reader.read(tokens[place], memory: entries)
      if place + 1 < tokens.count { losses[block] += next[Int(tokens[place + 1])] }
    }
    return losses
  }

  func testChoosesWhatHelpsMost() throws {
    var model = TinyModel()
    model.memory = memory
    let (decoder, reader) = try model.build()
    let planner = OraclePlanner(decoder, topK: 2, segmentTokens: 8, resets: true, every: 2)
    var live: [Int] = []
    var found = 0
    for number in 0..<5 {
      // Segment 2's first block evicts chunk 1; the others' plan is the oldest chunk in memory.
      let planned = live.isEmpty ? [] : [live[0]]
      let blocks = [0, 1].map {
        OraclePlanner.Block(
          row: 2 * number + $0, neighbours: planned, evicted: number == 2 && $0 == 0 ? [1] : [])
      }
      let choices = try planner.read(segment(number), blocks: blocks)
      guard number % 2 == 1 else {
        XCTAssertEqual(choices, [nil, nil])
        _ = naive(reader, number, reading: [planned, planned])
        live += [2 * number, 2 * number + 1]
        if number == 2 { live.removeAll { $0 == 1 } }
        continue
      }
      let alone = naive(reader, number, reading: [[], []])
      let each = live.map { row in (row, naive(reader, number, reading: [[row], [row]])) }
      for block in 0..<2 {
        let gains = each.map { ($0.0, alone[block] - $0.1[block]) }.filter { $0.1 > 0 }
        let best = gains.sorted { $0.1 > $1.1 }.prefix(2).sorted { $0.0 < $1.0 }
        let choice = try XCTUnwrap(choices[block])
        XCTAssertEqual(choice.neighbours, best.map(\.0))
        for (gain, expected) in zip(choice.gains, best) {
          XCTAssertEqual(gain, expected.1, accuracy: 1e-4)
        }
        found += choice.neighbours.count
      }
      // The trials left their tokens among the reader's; the next chunks are these again.
      reader.dropKept(from: 8 * number)
      _ = naive(reader, number, reading: choices.map { $0?.neighbours ?? [] })
      live += [2 * number, 2 * number + 1]
    }
    XCTAssertGreaterThan(found, 0)
    XCTAssertEqual(planner.liveChunks, 9)
    _ = try planner.read(
      segment(0, document: 1),
      blocks: [0, 1].map { OraclePlanner.Block(row: $0, neighbours: [], evicted: []) })
    XCTAssertEqual(planner.liveChunks, 2)
  }

  func testRefusesAnotherPlan() throws {
    var model = TinyModel()
    model.memory = memory
    let (decoder, _) = try model.build()
    func read(_ blocks: [OraclePlanner.Block]) throws {
      let planner = OraclePlanner(decoder, topK: 2, segmentTokens: 8, resets: true, every: 9)
      _ = try planner.read(segment(0), blocks: blocks)
    }
    let foreign = "the plan's blocks are not those of the segment at row 0"
    XCTAssertEqual(message { try read([]) }, foreign)
    for row in [1, 2] {
      XCTAssertEqual(
        message { try read([.init(row: row, neighbours: [], evicted: [])]) }, foreign)
    }
    XCTAssertEqual(
      message { try read([.init(row: 0, neighbours: [7], evicted: [])]) },
      "the plan retrieves chunk 7, which is not in memory")
  }

  /// Through the tools: with one chunk a segment the oracle is no worse than any other choice.
  func testOracleIsTheCeiling() throws {
    try withTemporaryFolder { folder in
      var model = TinyModel()
      model.vocabulary = 49152
      try model.write(to: folder)
      let body = (0..<60).map { "Room \($0 * 3 % 17) held \($0 % 5) chairs." }
      try write(
        Array("{\"text\": \"\(body.joined(separator: " "))\"}\n".utf8), to: folder + "/text.jsonl")
      func run(_ tool: String, _ arguments: [String]) throws {
        let result = try runTool(tool, arguments + ["-q"], currentFolder: folder)
        XCTAssertEqual(result.status, 0, result.standardError)
      }
      // Beside a context of two segments, as is usual.
      let lm = ["--model", folder, "--layout", "all"]
      let tokenizer = try cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
      try run(
        "ml-chunk",
        ["--tokenizer", tokenizer, "--chunk-tokens", "16", "--segment-tokens", "64"]
          + ["-o", "chunks.mls", "text.jsonl"])
      try run(
        "ml-embed", ["--model", cachedModel("minilm"), "-o", "embeddings.mls", "chunks.mls"])
      try run(
        "ml-index",
        ["--top-k", "1", "--memory-tokens", "256", "-o", "nearest.mls", "embeddings.mls"])
      try run(
        "ml-eval",
        ["oracle"] + lm
          + ["--plan", "nearest.mls", "--every", "1", "-o", "oracle.mls", "chunks.mls"])
      var losses: [String: Double] = [:]
      for plan in ["off", "nearest", "oracle"] {
        let options = plan == "off" ? [] : ["--plan", "\(plan).mls"]
        try run("ml-eval", ["lm"] + lm + options + ["-o", "\(plan).json", "chunks.mls"])
        let result = try LanguageModelResult(
          json: JSONValue(parsing: readBytes("\(folder)/\(plan).json")))
        losses[plan] = result.overall.mean
        XCTAssertEqual(result.system.seesFuture, plan == "oracle")
        XCTAssertEqual(result.system.memoryName, plan == "nearest" ? "retrieved" : plan)
      }
      let oracle = try XCTUnwrap(losses["oracle"])
      XCTAssertLessThan(oracle, try XCTUnwrap(losses["off"]) - 1e-4)
      XCTAssertLessThan(oracle, try XCTUnwrap(losses["nearest"]) - 1e-4)
    }
  }
}
