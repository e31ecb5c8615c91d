import Records
import ShardIO
import TestSupport
import XCTest

final class ChunkTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> ([Chunk], ChunkReader) {
    let reader = try ChunkReader(source: MemorySource(bytes))
    var chunks: [Chunk] = []
    while let batch = try reader.next() {
      XCTAssertEqual(batch.firstRow, chunks.count)
      chunks += batch.chunks
    }
    return (chunks, reader)
  }

  func testRoundTrip() throws {
    for count in [0, 1, 13] {
      let chunks = Samples.chunks(count)
      let provenance = [ProvenanceEntry(tool: "ml-chunk", version: "0", arguments: ["-x"])]
      let (found, reader) = try read(Samples.chunkShard(chunks, provenance: provenance))
      XCTAssertEqual(found, chunks)
      XCTAssertEqual(reader.parameters, Samples.parameters)
      XCTAssertEqual(reader.provenance, provenance)
    }
  }

  func testWideTokens() throws {
    var parameters = Samples.parameters
    parameters.tokenizer.vocabularySize = 200_000
    var chunks = Samples.chunks(3)
    chunks[0].tokens = [199_999, 65_536]
    XCTAssertEqual(try read(Samples.chunkShard(chunks, parameters: parameters)).0, chunks)
  }

  func testTokensOutsideTheVocabularyAreRefused() {
    for token: Int32 in [-1, 1000, .max] {
      var chunks = Samples.chunks(1)
      chunks[0].tokens = [token]
      XCTAssertThrowsError(try Samples.chunkShard(chunks))
    }
  }

  func testBlocksAreAboutFourMebibytes() throws {
    var parameters = Samples.parameters
    parameters.chunkTokens = 128
    var chunk = Samples.chunks(1)[0]
    chunk.text = [UInt8](repeating: 0x61, count: 500)
    let count = 20_000
    parameters.segmentTokens = 128
    let chunks = (0..<count).map { index in
      chunk.ordinal = Int32(index)
      chunk.segment = Int32(index)
      return chunk
    }
    let bytes = try Samples.chunkShard(chunks, parameters: parameters)
    let reader = ShardReader(source: MemorySource(bytes))
    var sizes: [Int] = []
    while let block = try reader.next() {
      sizes.append(block.tensors.values.reduce(0) { $0 + $1.byteCount })
    }
    XCTAssertEqual(sizes.count, 4)
    for size in sizes.dropLast() { XCTAssert((4 << 20..<(4 << 20) + 2000).contains(size)) }
    XCTAssertEqual(try read(bytes).0.count, count)
  }

  func testBlocksBeforeARowArePassedOver() throws {
    let parts = try [7, 12, 1, 5].map { try Samples.chunkShard(Samples.chunks($0)) }
    let bytes = parts.flatMap { $0 }
    let (all, whole) = try read(bytes)
    for row in 0...all.count {
      let reader = try ChunkReader(source: MemorySource(bytes))
      var next: Int?
      while let batch = try reader.next(reaching: row) {
        XCTAssertEqual(batch.firstRow, next ?? batch.firstRow)
        XCTAssertEqual(
          batch.chunks, Array(all[batch.firstRow..<batch.firstRow + batch.chunks.count]))
        if next == nil, row < all.count { XCTAssertLessThanOrEqual(batch.firstRow, row) }
        next = batch.firstRow + batch.chunks.count
        XCTAssertGreaterThan(next ?? 0, row)
      }
      XCTAssertEqual(next, row < all.count ? all.count : nil)
      XCTAssertEqual(reader.digest, whole.digest)
    }
  }

  func testSplitCharactersAreRepaired() throws {
    var chunks = Samples.chunks(2)
    chunks[0].text = [0x61, 0xe2, 0x82]
    chunks[1].text = [0xac, 0x62, 0xf0, 0x9f, 0x98, 0x80]
    let found = try read(Samples.chunkShard(chunks)).0
    XCTAssertEqual(String(decoding: found[0].text, as: UTF8.self), "a\u{fffd}")
    XCTAssertEqual(String(decoding: found[1].text, as: UTF8.self), "\u{fffd}b😀")
  }

  func testConcatenationNumbersDocumentsAndSourcesOn() throws {
    var other = Samples.parameters
    other.sources = ["news", "books"]
    let first = Samples.chunks(7)
    let second = Samples.chunks(3, seed: 2)
    let bytes = try Samples.chunkShard(first) + Samples.chunkShard(second, parameters: other)
    let (found, reader) = try read(bytes)
    XCTAssertEqual(reader.parameters.sources, ["books", "wîki", "news"])
    XCTAssertEqual(found[7...].map(\.document), [2, 2, 2])
    XCTAssertEqual(found[7...].map(\.source), [2, 0, 2])
    XCTAssertEqual(found[7...].map(\.tokens), second.map(\.tokens))
    other.tokenizer.digest = "ff"
    let refused = try Samples.chunkShard(first) + Samples.chunkShard(second, parameters: other)
    XCTAssertThrowsError(try read(refused)) {
      XCTAssert("\($0)".contains("tokenizer is"), "\($0)")
    }
  }

  func testPackedStreamIsOneDocument() throws {
    var parameters = Samples.parameters
    parameters.pack = "stream"
    var chunks = Samples.chunks(8)
    for row in chunks.indices {
      chunks[row].document = Int64(row * 2 / 3)  // of the text, as another writer may have it
      chunks[row].segment = Int32(row / 2)
    }
    let bytes = try Samples.chunkShard(chunks, parameters: parameters)
    XCTAssertEqual(
      try read(bytes + bytes).0.map(\.document),
      [Int64](repeating: 0, count: 8) + [Int64](repeating: 1, count: 8))
  }

  func testSegmentsAreNotLongerThanTheyClaim() throws {
    var chunks = Samples.chunks(3)
    for row in chunks.indices {
      chunks[row].tokens = [1, 2, 3, 4]
      chunks[row].segment = 0
    }
    XCTAssertEqual(try read(Samples.chunkShard(Array(chunks[..<2]))).0.count, 2)
    XCTAssertThrowsError(try read(Samples.chunkShard(chunks))) {
      XCTAssertEqual(
        "\($0)", "block 0 (row 0): a segment has more than 8 tokens at row 2")
    }
  }

  /// What lies beyond a short chunk's length may be anything, also outside the vocabulary.
  func testPaddingIsNotLookedAt() throws {
    var chunks = Samples.chunks(3)
    for row in chunks.indices { chunks[row].tokens = [1, 2] }
    let good = try XCTUnwrap(
      try ShardReader(source: MemorySource(Samples.chunkShard(chunks))).next())
    var ids: [UInt16] = [1, 2, 60000, 60000, 1, 2, 0, 0, 1, 2, 999, 65535]
    XCTAssertEqual(try rewritten(good, NamedTensor("tokens", .U16, [3, 4], ids)).count, 3)
    ids[5] = 60000
    XCTAssertThrowsError(try rewritten(good, NamedTensor("tokens", .U16, [3, 4], ids))) {
      XCTAssert("\($0)".hasSuffix("token 60000 is outside the vocabulary at row 1"), "\($0)")
    }
  }

  private func rewritten(_ block: ShardBlock, _ tensor: NamedTensor) throws -> [Chunk] {
    let sink = MemorySink()
    let writer = ShardWriter(
      sink: sink, kind: block.kind, parameters: block.parameters, provenance: nil,
      compressionLevel: 1)
    let kept = block.tensors.values.filter { $0.name != tensor.name }.sorted { $0.name < $1.name }
      .map { NamedTensor($0.name, $0.type, $0.shape, bytes: $0.withUnsafeBytes { Array($0) }) }
    try writer.append(rows: block.rows, tensors: kept + [tensor])
    try writer.finish()
    return try read(sink.bytes).0
  }

  func testBytesDependOnTheRowsOnly() throws {
    let chunks = Samples.chunks(50)
    XCTAssertEqual(try Samples.chunkShard(chunks), try Samples.chunkShard(chunks))
  }

  func testTensorsThatDisagree() throws {
    let good = try XCTUnwrap(
      try ShardReader(source: MemorySource(Samples.chunkShard(Samples.chunks(3)))).next())
    try assertRefused(good, replacing: [NamedTensor("length", .U16, [3], [1, 5, 1] as [UInt16])])
    try assertRefused(good, replacing: [NamedTensor("length", .U16, [3], [1, 0, 1] as [UInt16])])
    try assertRefused(good, replacing: [NamedTensor("length", .U16, [2], [1, 1] as [UInt16])])
    try assertRefused(good, replacing: [NamedTensor("length", .I64, [3], [1, 1, 1] as [Int64])])
    try assertRefused(
      good, replacing: [NamedTensor("tokens", .U16, [3, 4], [UInt16](repeating: 1000, count: 12))])
    try assertRefused(
      good, replacing: [NamedTensor("tokens", .U16, [3, 5], [UInt16](repeating: 1, count: 15))])
    try assertRefused(good, replacing: [NamedTensor("document", .I64, [3], [0, -1, 0] as [Int64])])
    try assertRefused(
      good, replacing: [NamedTensor("document", .I64, [3], [0, .max, 0] as [Int64])])
    try assertRefused(good, replacing: [NamedTensor("ordinal", .I32, [3], [0, -1, 0] as [Int32])])
    try assertRefused(good, replacing: [NamedTensor("source", .U8, [3], [0, 2, 0] as [UInt8])])
    let text = NamedTensor("text", .U8, [4], Array("aü!".utf8))
    for offsets: [Int64] in [
      [0, 1, 2, 4], [0, 3, 1, 4], [1, 1, 3, 4], [0, 1, 3, 3], [0, 1, 3, 5], [0, -1, 3, 4],
      [0, .max, .min, 4],
    ] {
      try assertRefused(
        good, replacing: [text, NamedTensor("text_offsets", .I64, [4], offsets)])
    }
    for bytes: [UInt8] in [
      [0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80],
    ] {
      let count = Int64(bytes.count)
      try assertRefused(
        good,
        replacing: [
          NamedTensor("text", .U8, [bytes.count], bytes),
          NamedTensor("text_offsets", .I64, [4], [0, 0, 0, count]),
        ])
    }
    try assertRefused(good, removing: "text")
    for (key, value) in [
      ("chunk_tokens", "0"), ("chunk_tokens", "65536"), ("segment_tokens", "x"),
      ("segment_tokens", "6"), ("pack", "box"),
      ("sources", "{}"), ("sources", "[1]"), ("tokenizer", "[]"), ("tokenizer", "{"),
    ] {
      try assertRefused(good, parameters: [key: value])
    }
  }
}

/// Writes a block again with other tensors or parameters: its reader must refuse it.
func assertRefused(
  _ block: ShardBlock, replacing: [NamedTensor] = [], removing: String? = nil,
  parameters: [String: String] = [:], file: StaticString = #filePath, line: UInt = #line
) throws {
  let sink = MemorySink()
  let writer = ShardWriter(
    sink: sink, kind: block.kind, parameters: block.parameters.merging(parameters) { $1 },
    provenance: nil, compressionLevel: 1)
  let replaced = Set(replacing.map(\.name))
  let kept = block.tensors.values.filter { !replaced.contains($0.name) && $0.name != removing }
    .sorted { $0.name < $1.name }
    .map { tensor in
      NamedTensor(
        tensor.name, tensor.type, tensor.shape, bytes: tensor.withUnsafeBytes { Array($0) })
    }
  try writer.append(rows: block.rows, tensors: kept + replacing)
  try writer.finish()
  XCTAssertThrowsError(
    try {
      let reader = try RecordReader(sources: [MemorySource(sink.bytes, name: "x.mls")])
      while try reader.skip() {}
    }(), "\(parameters) \(replaced)", file: file, line: line
  ) {
    XCTAssert("\($0)".hasPrefix("x.mls: block 0 (row 0): "), "\($0)", file: file, line: line)
  }
}
