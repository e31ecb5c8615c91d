import Foundation
import Indexing
import Kernels
import Records
import ShardIO
import TestSupport
import XCTest

/// `ml-index` as a user runs it, on shards written here.
final class PlanToolTests: XCTestCase {
  private let dimension = 24

  /// Documents of 36 chunks, segments of 8, blocks of 4; the first query of a document is zero.
  private func stream(_ count: Int, seed: UInt64) -> [StreamChunk] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { row in
      let place = row % 36
      var query: [Float]?
      if place % 4 == 0 {
        query = place == 0 ? Array(repeating: 0, count: dimension) : random.floats(dimension)
      }
      return StreamChunk(
        key: random.floats(dimension), query: query, document: row / 36, segment: place / 8)
    }
  }

  private let chunksDigest = [UInt8](1...16).withUnsafeBytes { Digest.of($0) }

  private func shard(
    _ chunks: [StreamChunk], pack: String? = "document", model: String = "aa"
  ) throws -> [UInt8] {
    let sink = MemorySink()
    let parameters = EmbeddingParameters(
      dimension: chunks.first?.key.count ?? dimension, modelName: "made up", modelDigest: model,
      query: "previous", queryTokens: 96, blockTokens: 64, chunkTokens: 16, segmentTokens: 128,
      pack: pack)
    let writer = EmbeddingWriter(
      sink: sink, parameters: parameters, valueType: .F32, provenance: [])
    for (row, chunk) in chunks.enumerated() {
      if let query = chunk.query { try writer.appendQuery(row: row, query) }
      try writer.append(
        key: chunk.key, document: Int64(chunk.document), segment: Int32(chunk.segment))
    }
    try writer.finish(chunksDigest: chunksDigest)
    return sink.bytes
  }

  /// What DESIGN §2 alone asks of embeddings: no documents, no segments.
  private func bareShard(_ chunks: [StreamChunk]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ShardWriter(
      sink: sink, kind: "embeddings",
      parameters: [
        "dimension": "\(dimension)", "model": #"{"name":"x","digest":"00"}"#,
        "query": "current", "query_tokens": "0", "block_tokens": "64",
        "chunks_digest": chunksDigest.description,
      ], provenance: nil, compressionLevel: 1)
    let rows = chunks.indices.filter { chunks[$0].query != nil }
    try writer.append(
      rows: chunks.count,
      tensors: [
        NamedTensor("keys", .F32, [chunks.count, dimension], chunks.flatMap(\.key)),
        NamedTensor("query_row", .I64, [rows.count], rows.map { Int64($0) }),
        NamedTensor("queries", .F32, [rows.count, dimension], rows.flatMap { chunks[$0].query! }),
      ])
    try writer.finish()
    return sink.bytes
  }

  private func index(_ arguments: String..., stdin: [UInt8] = []) throws -> ToolResult {
    try runTool("ml-index", arguments, stdin: stdin)
  }

  private func blocks(_ bytes: [UInt8]) throws -> (PlanReader, [PlannedBlock]) {
    let reader = try PlanReader(source: MemorySource(bytes))
    var rows: [PlanRow] = []
    while let batch = try reader.next() { rows += batch.rows }
    return (
      reader,
      rows.map {
        PlannedBlock(
          row: Int($0.row), neighbours: $0.neighbours.map(Int.init), scores: $0.scores,
          live: Int($0.live), evicted: $0.evicted.map(Int.init))
      }
    )
  }

  func testWritesThePlanOfTheLibrary() throws {
    let chunks = stream(200, seed: 1)
    for (eviction, selection, reset) in [
      ("counter", "nearest", "document"), ("lru", "random", "never"), ("fifo", "recent", "never"),
    ] {
      let result = try index(
        "-q", "--top-k", "3", "--memory-tokens", "320", "--eviction", eviction, "--select",
        selection, "--reset", reset, "--seed", "5", "--context", "none", stdin: try shard(chunks))
      XCTAssertEqual(result.standardError, "")
      let (reader, planned) = try blocks(result.output)
      let settings = MemorySettings(
        topK: 3, capacity: 20, eviction: Eviction(rawValue: eviction)!,
        reset: MemoryReset(rawValue: reset)!, selection: Selection(rawValue: selection)!, seed: 5)
      XCTAssertEqual(planned, try plan(settings, chunks))
      XCTAssertEqual(reader.parameters.memoryTokens, 320)
      XCTAssertEqual(reader.parameters.eviction, eviction)
      XCTAssertEqual(reader.parameters.chunkTokens, 16)
      XCTAssertEqual(reader.parameters.queryTokens, 96)
      XCTAssertEqual(reader.parameters.chunkRows, 200)
      XCTAssertEqual(reader.chunksDigest, chunksDigest)
      XCTAssertEqual(reader.provenance?.last?.tool, "ml-index")
    }
  }

  func testFilesPipesAndThreadsGiveTheSameBytes() throws {
    let bytes = try shard(stream(300, seed: 2))
    try withTemporaryFolder { folder in
      try Data(bytes).write(to: URL(fileURLWithPath: folder + "/e.mls"))
      let piped = try index("--memory-tokens", "512", stdin: bytes)
      XCTAssertEqual(piped.status, 0)
      XCTAssertTrue(piped.standardError.hasPrefix("ml-index: 300 chunks, "))
      for threads in ["1", "2"] {
        let result = try index(
          "--memory-tokens", "512", "-q", "--threads", threads, "-o", folder + "/p.mls",
          folder + "/e.mls")
        XCTAssertEqual(result.status, 0, result.standardError)
        let written = try Data(contentsOf: URL(fileURLWithPath: folder + "/p.mls"))
        XCTAssertEqual([UInt8](written), piped.output)
      }
      let twice = try index("-q", folder + "/e.mls", folder + "/e.mls")
      XCTAssertEqual(twice.output, try index("-q", stdin: bytes + bytes).output)
      XCTAssertEqual(try blocks(twice.output).0.parameters.chunkRows, 600)
    }
  }

  func testBareShardsAndPackedStreams() throws {
    var chunks = stream(120, seed: 3)
    let settings = MemorySettings(topK: 8, capacity: 10)
    let bare = try index("-q", "--memory-tokens", "1280", stdin: try bareShard(chunks))
    for row in chunks.indices { chunks[row].document = 0 }
    var byBlock = chunks
    for row in byBlock.indices { byBlock[row].segment = row / 4 }
    XCTAssertEqual(try blocks(bare.output).1, try plan(settings, byBlock))
    XCTAssertEqual(try blocks(bare.output).0.parameters.chunkTokens, 128)
    let packed = try index(
      "-q", "--memory-tokens", "160", "--layout", "published",
      stdin: try shard(stream(120, seed: 3), pack: "stream"))
    // What ml-embed writes of two packed streams: a document each.
    XCTAssertEqual(try blocks(packed.output).1, try plan(settings, stream(120, seed: 3)))
  }

  func testNoChunksAndNoQueries() throws {
    XCTAssertEqual(try blocks(try index("-q", stdin: try shard([])).output).1, [])
    var chunks = stream(50, seed: 4)
    for row in chunks.indices { chunks[row].query = nil }
    let (reader, planned) = try blocks(try index("-q", stdin: try shard(chunks)).output)
    XCTAssertEqual(planned, [])
    XCTAssertEqual(reader.parameters.chunkRows, 50)
  }

  func testBadArgumentsNameOptionValueAndRange() throws {
    let bytes = try shard(stream(20, seed: 5))
    for (arguments, message) in [
      (["--top-k", "0"], "--top-k is 0, not in 1...1048576"),
      (["--memory-tokens", "15"], "--memory-tokens is 15, not 16 or more: a chunk has 16 tokens"),
      (["--memory-tokens=-1"], "--memory-tokens is -1, not in 1...1099511627776"),
      (["--chunk-tokens", "8"], "--chunk-tokens is 8, the embeddings' chunks have 16"),
      (["--eviction", "oldest"], "Please provide one of 'counter', 'fifo', 'lru' or 'none'."),
    ] {
      let result = try runTool("ml-index", arguments, stdin: bytes)
      XCTAssertEqual(result.status, 64, "\(arguments)")
      XCTAssertTrue(result.standardError.contains(message), result.standardError)
      XCTAssertEqual(result.standardError.split(separator: "\n").count, 1)
      XCTAssertEqual(result.output, [])
    }
  }

  func testBadDataIsOneLineAndStatusOne() throws {
    let bytes = try shard(stream(40, seed: 6))
    let planned = try index("-q", stdin: bytes).output
    for bad in [[], Array("garbage".utf8), Array(bytes.dropLast(48)), planned] {
      let result = try index(stdin: bad)
      XCTAssertEqual(result.status, 1)
      XCTAssertEqual(result.standardError.split(separator: "\n").count, 1, result.standardError)
      XCTAssertTrue(result.standardError.hasPrefix("ml-index: standard input: "))
      XCTAssertEqual(result.output, [])
    }
  }

  func testSearchAnswersTheQueriesOfOtherEmbeddings() throws {
    let (keys, asked) = (stream(90, seed: 7), stream(20, seed: 8))
    try withTemporaryFolder { folder in
      let path = folder + "/keys.mls"
      try Data(try shard(keys)).write(to: URL(fileURLWithPath: path))
      let result = try index("search", "-q", "--keys", path, "--top-k", "2", stdin: shard(asked))
      let lines = result.text.split(separator: "\n")
      XCTAssertEqual(lines.first, #"{"neighbours":[],"query_row":0,"scores":[]}"#)
      var search = ExactSearch(
        queries: asked[4].query!, dimension: dimension, topK: 2, workers: Workers(threads: 1))
      try keys.flatMap(\.key).withUnsafeBufferPointer { try search.offer($0, firstRow: 0) }
      let best = search.answers[0]
      XCTAssertEqual(
        String(lines[1]),
        "{\"neighbours\":[\(best.neighbours[0]),\(best.neighbours[1])],\"query_row\":4,"
          + "\"scores\":[\(best.scores[0]),\(best.scores[1])]}")
      let narrow = [StreamChunk(key: [1, 0], query: [1, 0], document: 0, segment: 0)]
      let mismatch = try index("search", "--keys", path, stdin: shard(narrow))
      XCTAssertEqual(mismatch.status, 1)
      XCTAssertEqual(
        mismatch.standardError, "ml-index: keys have dimension 24, queries 2\n")
      let other = try index("search", "--keys", path, stdin: shard(asked, model: "bb"))
      XCTAssertEqual(other.status, 1)
    }
  }

  func testStatCountsWhatALongerMemoryWouldFind() throws {
    let bytes = try shard(stream(200, seed: 9))
    try withTemporaryFolder { folder in
      let path = folder + "/e.mls"
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      let small = try index("-q", "--memory-tokens", "128", path).output
      let stat = try index("stat", "-q", "--json", "--embeddings", path, stdin: small)
      let json = try XCTUnwrap(
        JSONSerialization.jsonObject(with: Data(stat.output)) as? [String: Any])
      XCTAssertEqual(json["rows"] as? Int, 50)
      let regret = try XCTUnwrap(json["regret"] as? [String: Any])
      XCTAssertGreaterThan(try XCTUnwrap(regret["evicted"] as? Int), 20)
      // An unbounded plan lacks nothing.
      let unbounded = try index("-q", "--eviction", "none", path).output
      let whole = try index("stat", "-q", "--embeddings", path, stdin: unbounded)
      XCTAssertTrue(whole.text.contains("  evicted before                         0  0.00 %"))
      try Data(try shard(stream(190, seed: 9))).write(to: URL(fileURLWithPath: path))
      let other = try index("stat", "--embeddings", path, stdin: small)
      XCTAssertEqual(other.status, 1)
      XCTAssertTrue(
        other.standardError.hasPrefix("ml-index: the plan was made from embeddings "))
    }
  }

  func testHelpListsThePlansOptions() throws {
    let help = try index("--help")
    XCTAssertEqual(help.status, 0)
    XCTAssertTrue(help.text.contains("--memory-tokens <TOKENS>"))
    XCTAssertTrue(help.text.contains("ml-index search --keys"))
  }
}
