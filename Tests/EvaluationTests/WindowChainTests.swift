import Evaluation
import Modeling
import Records
import Safetensors
import TestSupport
import ToolSupport
import Weights
import XCTest

/// The tools' `window` protocol from text to scores, against windows that are cut and read here.
final class WindowChainTests: XCTestCase {
  private let length = 96
  private let lastContext = 40
  private let chunkTokens = 16
  private let filterLength = 150
  private let memory = MemoryConfiguration(
    memoryLayer: 0, retrievalLayers: [0, 1], chunkTokens: 16)

  private func run(_ tool: String, _ arguments: [String], in folder: String) throws {
    let result = try runTool(tool, arguments + ["-q"], currentFolder: folder)
    XCTAssertEqual(result.status, 0, result.standardError)
  }

  /// Two documents of several windows, and a short one between them.
  private func text() -> String {
    [60, 10, 75].enumerated().map { number, sentences in
      let body = (0..<sentences).map { "Room \($0 * (number + 3) % 17) held \($0 % 5) chairs." }
      return "{\"text\": \"\(body.joined(separator: " "))\"}\n"
    }.joined()
  }

  private func chunks(_ path: String) throws -> [Chunk] {
    let reader = try ChunkReader(source: InputFile(path))
    var rows: [Chunk] = []
    while let batch = try reader.next() { rows += batch.chunks }
    return rows
  }

  private func neighbours(_ path: String) throws -> [Int: [Int]] {
    let reader = try PlanReader(source: InputFile(path))
    var rows: [Int: [Int]] = [:]
    while let batch = try reader.next() {
      for row in batch.rows { rows[Int(row.row)] = row.neighbours.map { Int($0) } }
    }
    return rows
  }

  private func scored(_ path: String) throws -> [Float] {
    let reader = try ScoreReader(source: InputFile(path))
    var losses: [Float] = []
    while let batch = try reader.next() { losses += batch.rows.filter(\.scored).map(\.nll) }
    return losses
  }

  /// Chunks, embeds, plans and scores the text in `folder`; returns the result.
  private func tools(in folder: String, reset: String, stride: Int) throws -> LanguageModelResult {
    let tokenizer = try cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    try write(Array(text().utf8), to: folder + "/text.jsonl")
    let common = ["--tokenizer", tokenizer, "--bos", "--chunk-tokens", "\(chunkTokens)"]
    try run("ml-chunk", common + ["-o", "whole.mls", "text.jsonl"], in: folder)
    try run(
      "ml-chunk",
      common + [
        "--window", "\(length)", "--stride", "\(stride)", "--last-context", "\(lastContext)",
        "--prefill-tokens", "\(chunkTokens)", "--filter-length", "\(filterLength)", "-o",
        "windows.mls", "text.jsonl",
      ], in: folder)
    try run(
      "ml-embed",
      [
        "--model", cachedModel("minilm"), "--query", "current", "--query-tokens", "48", "-o",
        "embeddings.mls", "windows.mls",
      ], in: folder)
    try run(
      "ml-index",
      [
        "--layout", "published", "--top-k", "3", "--memory-tokens", "128", "--eviction", "fifo",
        "--reset", reset, "-o", "plan.mls", "embeddings.mls",
      ], in: folder)
    try run(
      "ml-eval",
      [
        "lm", "--model", folder, "--layout", "published", "--memory-layer", "0",
        "--retrieval-layers", "0,1", "--protocol", "window", "--plan", "plan.mls", "--scores",
        "scores.mls", "-o", "result.json",
        "windows.mls",
      ], in: folder)
    return try LanguageModelResult(json: JSONValue(parsing: readBytes(folder + "/result.json")))
  }

  /// The losses of the scored tokens: windows by the definition, memory as the plan says.
  private func naive(_ folder: String, stride: Int) throws -> [Double] {
    let files = try ModelFiles.open(path: folder)
    let reader = try NaiveReader(
      folder: folder, configuration: LlamaConfiguration(huggingFace: files.configuration),
      memory: memory)
    let plan = try neighbours(folder + "/plan.mls")
    let documents = Dictionary(grouping: try chunks(folder + "/whole.mls"), by: \.document)
      .sorted { $0.key < $1.key }.map { $0.value.flatMap(\.tokens) }
    XCTAssertEqual(documents.filter { $0.count < filterLength }.count, 1)
    var losses: [Double] = []
    // Chunks as they were read, by row: their places among all tokens read.
    var rows: [Range<Int>] = []
    for tokens in documents where tokens.count >= filterLength {
      for start in Swift.stride(from: 0, to: tokens.count - length, by: stride) {
        let window = Array(tokens[start..<start + length])
        var retrieved: [NaiveReader.Entry] = []
        var next: [Double] = []
        let before = length - lastContext
        for place in window.indices {
          if place <= before && place % chunkTokens == 0 || place == before {
            reader.forgetAll()
            retrieved = try XCTUnwrap(plan[rows.count]).flatMap { reader.kept[rows[$0]] }
          }
          let chunkStart = place < before ? place : place - before
          if chunkStart % chunkTokens == 0 {
            let end = place < before ? before : length
            let first = reader.kept.count
            rows.append(first..<first + min(chunkTokens, end - place))
          }
          if place >= max(1, length - min(stride, lastContext)) {
            losses.append(next[Int(window[place])])
          }
          next = reader.read(window[place], memory: retrieved)
        }
      }
    }
    XCTAssertTrue(plan.values.contains { $0.count == 3 })
    return losses
  }

  private func check(reset: String, stride: Int) throws {
    try withTemporaryFolder { folder in
      var model = TinyModel()
      model.vocabulary = 49152
      model.memory = memory
      try model.write(to: folder)
      let result = try tools(in: folder, reset: reset, stride: stride)
      let expected = try naive(folder, stride: stride)
      let found = try scored(folder + "/scores.mls")
      XCTAssertEqual(found.count, expected.count)
      for (found, expected) in zip(found, expected) {
        XCTAssertEqual(Double(found), expected, accuracy: 2e-4)
      }
      XCTAssertEqual(result.scoredTokens, expected.count)
      XCTAssertEqual(
        result.overall.mean, expected.reduce(0, +) / Double(expected.count), accuracy: 1e-4)
      XCTAssertEqual(result.documents.map(\.document), [0, 2])
      XCTAssertEqual(result.window?.stride, stride)
      XCTAssertEqual(result.system.memory?.reset, reset)
      XCTAssertEqual(result.system.memory?.query, .current)
    }
  }

  func testMemoryKeptBetweenWindows() throws { try check(reset: "never", stride: 96) }

  func testMemoryClearedAndOverlappingWindows() throws {
    try check(reset: "document", stride: 24)
  }

  /// Baselines by their options: a sliding context with sinks over a stretched rotary embedding.
  func testContextOfDocuments() throws {
    try withTemporaryFolder { folder in
      var model = TinyModel()
      model.vocabulary = 49152
      try model.write(to: folder)
      try write(Array(text().utf8), to: folder + "/text.jsonl")
      let tokenizer = try cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
      try run(
        "ml-chunk",
        [
          "--tokenizer", tokenizer, "--chunk-tokens", "16", "--segment-tokens", "32",
          "--max-tokens", "600", "-o", "chunks.mls", "text.jsonl",
        ], in: folder)
      try run(
        "ml-eval",
        [
          "lm", "--model", folder, "--context", "50", "--sinks", "3", "--rope-scaling", "linear:4",
          "--scores", "scores.mls", "-o", "result.json", "chunks.mls",
        ], in: folder)

      let files = try ModelFiles.open(path: folder).setting(
        "rope_scaling", to: ["rope_type": "linear", "factor": 4])
      let reader = try NaiveReader(
        folder: folder, configuration: LlamaConfiguration(huggingFace: files.configuration),
        memory: nil)
      let documents = Dictionary(grouping: try chunks(folder + "/chunks.mls"), by: \.document)
        .sorted { $0.key < $1.key }.map { $0.value.flatMap(\.tokens) }
      let expected = documents.flatMap { tokens in
        reader.forgetAll()
        return tokens.indices.dropLast().map { place in
          let excess = reader.context[0].count + min(32, tokens.count - place) - 50
          if place % 32 == 0 && excess > 0 { reader.forget(3..<3 + excess) }
          return reader.read(tokens[place])[Int(tokens[place + 1])]
        }
      }
      let found = try scored(folder + "/scores.mls")
      XCTAssertEqual(found.count, expected.count)
      for (found, expected) in zip(found, expected) {
        XCTAssertEqual(Double(found), expected, accuracy: 2e-4)
      }
      let result = try LanguageModelResult(
        json: JSONValue(parsing: readBytes(folder + "/result.json")))
      XCTAssertEqual(result.system.variant, "context 50 + 3 sinks, RoPE linear:4")
      // 50 tokens of 12 floats: keys and values of two layers, and one layer's rotated keys
      XCTAssertEqual(result.system.context?.cacheBytes, 50 * 12 * 4 * 5)
    }
  }
}
