import Embedding
import Foundation
import Records
import ShardIO
import TestSupport
import XCTest

/// `ml-embed` as its users run it, with a tiny random model.
final class EmbedToolTests: XCTestCase {
  private var folder = ""
  private var model: String { folder + "/model" }

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "embed-\(UUID().uuidString)"
    try writeTinyRetriever(model)
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  /// A stream of chunks of 4 tokens, two a segment of 8 tokens: documents of so many rows, each
  /// text of its own.
  private func chunks(_ documents: [Int], first: Int = 0) throws -> (
    bytes: [UInt8], texts: [[UInt8]]
  ) {
    let sink = MemorySink()
    let writer = ChunkWriter(
      sink: sink,
      parameters: ChunkParameters(
        chunkTokens: 4, segmentTokens: 8, pack: "document", sources: ["a"],
        tokenizer: TokenizerIdentity(name: "t", vocabularySize: 100, digest: "00")),
      provenance: nil)
    var texts: [[UInt8]] = []
    for (document, rows) in documents.enumerated() {
      for row in 0..<rows {
        let letter = UInt8(97 + (first + texts.count) % 26)
        texts.append(Array(repeating: letter, count: 1 + texts.count % 9) + [32])
        try writer.append(
          Chunk(
            tokens: [1, 2, 3, 4], document: Int64(document), ordinal: Int32(row),
            segment: Int32(row / 2), source: 0, text: texts[texts.count - 1]))
      }
    }
    try writer.finish()
    return (sink.bytes, texts)
  }

  private func embed(_ arguments: [String], _ input: [UInt8]) throws -> ToolResult {
    try runTool("ml-embed", ["--model", model] + arguments, stdin: input)
  }

  /// The whole of an output as one batch per stream.
  private func read(_ bytes: [UInt8]) throws -> (EmbeddingParameters, EmbeddingBatch) {
    let reader = try EmbeddingReader(source: MemorySource(bytes))
    let batch = try XCTUnwrap(reader.next())
    XCTAssertNil(try reader.next())
    return (reader.parameters, batch)
  }

  func testKeysAndQueriesOfABlock() throws {
    let (bytes, texts) = try chunks([5, 1])
    let result = try embed(["--dtype", "f32", "--query-tokens", "8", "--block-tokens", "4"], bytes)
    XCTAssertEqual(result.status, 0, result.standardError)
    let (parameters, batch) = try read(result.output)
    let retriever = try Retriever(folder: model)
    func vectors(_ texts: [[UInt8]]) -> [Float] {
      retriever.vectors(
        of: texts.map { RetrieverText($0, as: .query) }, workspace: EncoderWorkspace(retriever))
    }
    XCTAssertEqual(batch.documents, [0, 0, 0, 0, 0, 1])
    XCTAssertEqual(batch.segments, [0, 0, 1, 1, 2, 0])
    assertClose(batch.keys, vectors(texts), absolute: 1e-6)
    XCTAssertEqual(batch.queryRows, [0, 1, 2, 3, 4, 5])
    let zero = [Float](repeating: 0, count: 48)
    let seen = [texts[0], texts[0] + texts[1], texts[1] + texts[2], texts[2] + texts[3]]
    assertClose(batch.queries, zero + vectors(seen) + zero, absolute: 1e-6)
    let reader = try ChunkReader(source: MemorySource(bytes))
    while try reader.next() != nil {}
    XCTAssertEqual(
      parameters,
      EmbeddingParameters(
        dimension: 48, modelName: "model", modelDigest: retriever.digest,
        instruction: "none", query: "previous", queryTokens: 8, blockTokens: 4,
        chunksDigest: reader.digest, chunkTokens: 4,
        segmentTokens: 8, pack: "document"))
  }

  func testProtocols() throws {
    let (bytes, texts) = try chunks([3])
    let current = try read(embed(["--query=current", "--dtype=f32"], bytes).output)
    XCTAssertEqual(current.0.queryTokens, 40)
    XCTAssertEqual(current.0.blockTokens, 8)
    XCTAssertEqual(current.1.queryRows, [0, 2])
    let retriever = try Retriever(folder: model)
    let expected = retriever.vectors(
      of: [texts[0] + texts[1], texts[2]].map { RetrieverText($0, as: .query) },
      workspace: EncoderWorkspace(retriever))
    assertClose(current.1.queries, expected, absolute: 1e-6)
    let none = try read(embed(["--query=none", "--dtype=f32"], bytes).output)
    XCTAssertEqual(none.0.queryTokens, 0)
    XCTAssertEqual(none.1.queryRows, [])
    assertClose(none.1.keys, current.1.keys, absolute: 1e-6)
  }

  func testConcatenatedStreamsDoNotMeet() throws {
    let (one, _) = try chunks([2])
    let (two, texts) = try chunks([3], first: 2)
    let (_, batch) = try read(embed(["--dtype=f32"], one + two).output)
    XCTAssertEqual(batch.documents, [0, 0, 1, 1, 1])
    XCTAssertEqual(batch.queryRows, [0, 2, 4])
    XCTAssertEqual(batch.queries[..<96], ArraySlice(repeating: 0, count: 96))
    let retriever = try Retriever(folder: model)
    let last = retriever.vectors(
      of: [RetrieverText(texts[0] + texts[1], as: .query)], workspace: EncoderWorkspace(retriever))
    assertClose(Array(batch.queries[96...]), last, absolute: 1e-6)
  }

  func testBytesDependOnInputAndArgumentsAlone() throws {
    let (bytes, _) = try chunks([400, 1, 900])
    let input = folder + "/chunks.mls"
    try Data(bytes).write(to: URL(fileURLWithPath: input))
    let piped = try embed(["--threads", "1"], bytes)
    XCTAssertEqual(piped.status, 0, piped.standardError)
    XCTAssertTrue(piped.standardError.hasPrefix("ml-embed: 1301 rows, 5204 tokens, "))
    let output = folder + "/embeddings.mls"
    let filed = try runTool(
      "ml-embed", ["--model", model + "/", input, "-o", output, "-q", "--threads=3"])
    XCTAssertEqual(filed.status, 0, filed.standardError)
    XCTAssertEqual(filed.standardError, "")
    XCTAssertEqual([UInt8](try Data(contentsOf: URL(fileURLWithPath: output))), piped.output)
  }

  func testNoRows() throws {
    let result = try embed([], chunks([]).bytes)
    XCTAssertEqual(result.status, 0, result.standardError)
    XCTAssertEqual(try read(result.output).1.rows, 0)
  }

  func testBadInputIsOneLineAndNoOutput() throws {
    let (bytes, _) = try chunks([40])
    var inputs: [(String, [UInt8])] = [("empty", []), ("garbage", Array("text\n".utf8))]
    for count in [1, bytes.count / 2, bytes.count - 48, bytes.count - 1] {
      inputs.append(("cut at \(count)", Array(bytes[..<count])))
    }
    inputs.append(("embeddings", try embed([], bytes).output))
    for (name, input) in inputs {
      let output = folder + "/out.mls"
      for arguments in [[], ["-o", output]] {
        let result = try embed(arguments, input)
        XCTAssertEqual(result.status, 1, name)
        XCTAssertEqual(result.output, [], name)
        XCTAssertEqual(result.standardError.filter { $0 == "\n" }.count, 1, name)
        XCTAssertTrue(result.standardError.hasPrefix("ml-embed: "), result.standardError)
        XCTAssertFalse(FileManager.default.fileExists(atPath: output), name)
      }
    }
  }

  func testUsage() throws {
    let (bytes, _) = try chunks([2])
    for arguments in [
      ["--query-tokens", "6"], ["--block-tokens", "12"], ["--query", "next"], ["--dtype", "f64"],
      ["--instruction", "x"], ["--pooling", "max"],
    ] {
      let result = try embed(arguments, bytes)
      XCTAssertEqual(result.status, 64, "\(arguments)")
      XCTAssertEqual(result.output, [])
      XCTAssertEqual(result.standardError.filter { $0 == "\n" }.count, 1, result.standardError)
    }
    let absent = try runTool("ml-embed", ["--model", folder + "/absent"], stdin: bytes)
    XCTAssertEqual(absent.status, 1)
    XCTAssertEqual(
      absent.standardError,
      "ml-embed: \(folder)/absent: No such file or directory\n")
  }

  /// A folder without modules.json says with `-v` what is taken for granted, and the shard tells
  /// under which instruction its vectors were made.
  func testInstructionTravels() throws {
    let (bytes, _) = try chunks([2])
    try FileManager.default.removeItem(atPath: model + "/modules.json")
    let plain = try embed(["-v"], bytes)
    XCTAssertTrue(
      plain.standardError.contains(
        "model: pooling cls, at most 40 tokens of a text, instruction none\n"
          + "ml-embed: model: assumed pooling cls, since there is no modules.json\n"),
      plain.standardError)
    let mean = try embed(["-v", "--pooling", "mean"], bytes)
    XCTAssertFalse(mean.standardError.contains("assumed"), mean.standardError)
    let tight = try embed(["--instruction", "lrlm"], bytes)
    XCTAssertEqual(tight.status, 1)
    XCTAssertTrue(tight.standardError.contains("no room for a text"), tight.standardError)
    try writeWordVocabulary(model)
    let made = try embed(["--instruction", "lrlm"], bytes)
    XCTAssertEqual(made.status, 0, made.standardError)
    XCTAssertEqual(try read(made.output).0.instruction, "lrlm")
    XCTAssertNotEqual(
      try read(made.output).0.modelDigest, try read(embed([], bytes).output).0.modelDigest)
  }
}
