import Records
import TestSupport
import ToolSupport
import XCTest

/// What the tools' outputs say of one another, read back as records.
final class ChainTests: XCTestCase {
  private let chunkTokens = 32
  private let segmentTokens = 128
  private let blockTokens = 64

  /// JSON lines: `count` documents of `sentences` generated sentences.
  private func text(_ count: Int, sentences: Int, seed: Int) -> String {
    let names = ["Anne", "Walter", "Louisa", "Russell", "Croft"]
    let acts = ["walked", "wrote", "listened", "waited", "danced"]
    var state = seed
    func pick(_ words: [String]) -> String {
      state = (state * 1_103_515_245 + 12345) % (1 << 31)
      return words[(state >> 16) % words.count]
    }
    return (0..<count).map { _ in
      let body = (0..<sentences).map { "\(pick(names)) \(pick(acts)) in room \($0)." }
      return "{\"text\": \"\(body.joined(separator: " "))\"}\n"
    }.joined()
  }

  private func run(_ tool: String, _ arguments: [String], in folder: String) throws {
    let result = try runTool(tool, arguments + ["-q"], currentFolder: folder)
    XCTAssertEqual(result.status, 0, result.standardError)
  }

  /// Chunks and embeds `name`.jsonl in `folder`.
  private func embed(_ name: String, in folder: String) throws {
    let model = try cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    try run(
      "ml-chunk",
      [
        "--tokenizer", model, "--chunk-tokens", "\(chunkTokens)", "--segment-tokens",
        "\(segmentTokens)", "-o", "\(name).chunks.mls", "\(name).jsonl",
      ], in: folder)
    try run(
      "ml-embed",
      [
        "--model", cachedModel("minilm"), "--query-tokens", "\(chunkTokens)", "--block-tokens",
        "\(blockTokens)", "-o", "\(name).embeddings.mls", "\(name).chunks.mls",
      ], in: folder)
  }

  private func chunks(_ names: [String], in folder: String) throws -> (ChunkReader, [Chunk]) {
    let reader = try ChunkReader(
      sources: names.map { try InputFile("\(folder)/\($0).chunks.mls") })
    var rows: [Chunk] = []
    while let batch = try reader.next() { rows += batch.chunks }
    return (reader, rows)
  }

  private func plan(in folder: String) throws -> (PlanReader, [PlanRow]) {
    let reader = try PlanReader(source: InputFile("\(folder)/plan.mls"))
    var rows: [PlanRow] = []
    while let batch = try reader.next() { rows += batch.rows }
    return (reader, rows)
  }

  /// Two shards, embedded one by one and planned together, as a pipeline does: the plan belongs to
  /// both chunk shards in this order, and reads only earlier segments of the same document.
  func testPlanOfSeveralShardsBelongsToTheirChunks() throws {
    try withTemporaryFolder { folder in
      for (index, name) in ["a", "b"].enumerated() {
        let lines = text(2, sentences: 60 + 30 * index, seed: index)
        try write(Array(lines.utf8), to: "\(folder)/\(name).jsonl")
        try embed(name, in: folder)
      }
      try run(
        "ml-index",
        [
          "--top-k", "3", "--memory-tokens", "320", "-o", "plan.mls", "a.embeddings.mls",
          "b.embeddings.mls",
        ], in: folder)

      let (reader, rows) = try chunks(["a", "b"], in: folder)
      let (planReader, plan) = try plan(in: folder)
      XCTAssertEqual(planReader.chunksDigest, reader.digest)
      XCTAssertEqual(plan.map(\.row), blockStarts(rows))
      XCTAssertTrue(plan.contains { $0.neighbours.count == 3 })
      XCTAssertTrue(plan.contains { !$0.evicted.isEmpty })
      for block in plan {
        let own = rows[Int(block.row)]
        XCTAssertEqual(block.neighbours, block.neighbours.sorted())
        XCTAssertEqual(block.scores.count, block.neighbours.count)
        for neighbour in block.neighbours.map({ rows[Int($0)] }) {
          XCTAssertEqual(neighbour.document, own.document)
          XCTAssertLessThan(neighbour.segment, own.segment)
        }
      }
    }
  }

  /// The first row of every retrieval block: blocks start anew with each segment.
  private func blockStarts(_ rows: [Chunk]) -> [Int64] {
    var starts: [Int64] = []
    var inSegment = 0
    for (row, chunk) in rows.enumerated() {
      let continues =
        row > 0 && rows[row - 1].document == chunk.document
        && rows[row - 1].segment == chunk.segment
      inSegment = continues ? inSegment + 1 : 0
      if inSegment % (blockTokens / chunkTokens) == 0 { starts.append(Int64(row)) }
    }
    return starts
  }
}
