import Records
import Safetensors
import ShardIO
import TestSupport
import XCTest

final class MemoryTests: XCTestCase {
  private let parameters = MemoryParameters(
    model: .init(name: "m", digest: "aa"), adapter: .init(name: "", digest: ""),
    retriever: .init(name: "r", digest: "bb"), dimension: 3,
    sizes: .init(chunk: 4, segment: 8, block: 4, query: 4, context: 18, sinks: 2),
    rules: .init(topK: 2, memoryTokens: 0, eviction: "none"), slots: 2, width: 6, layers: 5,
    type: .BF16, configuration: .object(["mem_layer": 1]),
    documents: [.init(name: "a.txt", tokens: 30), .init(name: "b.txt", tokens: 12)],
    contextRows: 18, nextRow: 6, event: 11)

  private var rows: [MemoryRow] {
    [0, 2, 5].map { row in
      MemoryRow(
        row: row, length: row == 5 ? 3 : 4, hits: row, lastUse: row + 1,
        key: [1, 2, Float(row)], layerKeys: [UInt8](repeating: UInt8(row), count: 2 * 4 * 6 * 2),
        layerValues: [UInt8](repeating: 9, count: 2 * 4 * 6 * 2), text: Array("chunk \(row)".utf8))
    }
  }

  private let tokens = (0..<42).map { Int32($0 * $0) }
  private var keys: [Float] { (0..<18 * 30).map { Float($0) / 8 } }

  private func shard(_ parameters: MemoryParameters) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = MemoryWriter(sink: sink, parameters: parameters, provenance: nil)
    for row in rows { try writer.append(row) }
    try writer.finish(tokens: tokens, contextKeys: keys, contextValues: keys.map { -$0 })
    return sink.bytes
  }

  private func read(_ bytes: [UInt8]) throws -> (MemoryParameters, MemoryBatch) {
    let reader = try MemoryReader(source: MemorySource(bytes))
    var all = MemoryBatch()
    while let batch = try reader.next() {
      all.rows += batch.rows
      all.tokens += batch.tokens
      all.contextKeys += batch.contextKeys
      all.contextValues += batch.contextValues
    }
    return (reader.parameters, all)
  }

  func testRoundTrip() throws {
    let bytes = try shard(parameters)
    let (found, batch) = try read(bytes)
    XCTAssertEqual(found, parameters)
    XCTAssertEqual(
      batch,
      MemoryBatch(
        rows: rows, tokens: tokens, contextKeys: keys, contextValues: keys.map { -$0 }))
    XCTAssertThrowsError(try read(bytes + bytes)) {
      XCTAssert("\($0)".contains("a second memory in one shard"), "\($0)")
    }
  }

  /// A context goes into blocks of about 4 MiB.
  func testLongContext() throws {
    var long = parameters
    (long.width, long.slots, long.contextRows) = (40_000, 1, 20)
    let sink = MemorySink()
    let writer = MemoryWriter(sink: sink, parameters: long, provenance: nil)
    let keys = (0..<20 * 5 * 40_000).map { Float($0 % 1000) }
    try writer.finish(tokens: tokens, contextKeys: keys, contextValues: keys)
    XCTAssertEqual(try read(sink.bytes).1.contextKeys, keys)
    let reader = ShardReader(source: MemorySource(sink.bytes))
    var blocks: [Int] = []
    while let block = try reader.next() { blocks.append(block["context_keys"]!.shape[0]) }
    XCTAssertEqual(blocks, [0] + [Int](repeating: 2, count: 10))
  }

  /// Changes a parameter or a tensor of a good shard's blocks.
  private func damaged(
    _ change: (inout [String: String]) -> Void = { _ in }, without dropped: Int? = nil,
    tokens: [Int32]? = nil
  ) throws -> [UInt8] {
    let reader = ShardReader(source: MemorySource(try shard(parameters)))
    let sink = MemorySink()
    var writer: ShardWriter?
    while let block = try reader.next() {
      var parameters = block.parameters
      change(&parameters)
      if writer == nil {
        writer = ShardWriter(
          sink: sink, kind: "memory", parameters: parameters, provenance: nil, compressionLevel: 1)
      }
      if block.index == dropped { continue }
      let tensors = block.tensors.values.map { tensor in
        let bytes = tensor.withUnsafeBytes { [UInt8]($0) }
        guard tensor.name == "tokens", tensor.elementCount > 0, let tokens else {
          return NamedTensor(tensor.name, tensor.type, tensor.shape, bytes: bytes)
        }
        return NamedTensor("tokens", .I32, [tokens.count], tokens)
      }
      try writer?.append(rows: block.rows, tensors: tensors)
    }
    try writer?.finish()
    return sink.bytes
  }

  func testRefused() throws {
    XCTAssertNoThrow(try read(damaged()))
    let cases: [(bytes: [UInt8], expected: String)] = [
      (
        try damaged({ $0["context_rows"] = nil }),
        "a memory without its context, of an older ml-eval: read the text again"
      ),
      (try damaged({ $0["documents"] = "{}" }), "parameter documents is no array"),
      (try damaged({ $0["documents"] = "[{}]" }), "a document has no name and tokens"),
      (try damaged({ $0["eviction"] = "some" }), "parameter eviction is some"),
      (try damaged({ $0["context_tokens"] = "12" }), "a context of 12 tokens do not go together"),
      (try damaged({ $0["chunk_tokens"] = "5" }), "chunks of 5, blocks of 4"),
      (try damaged(without: 1), "0 tokens of text and 18 of context, where 42 and 18 are expected"),
      (try damaged(without: 2), "42 tokens of text and 0 of context"),
      (try damaged(tokens: [1, -1]), "token -1"),
    ]
    for (bytes, expected) in cases {
      XCTAssertThrowsError(try read(bytes), expected) {
        XCTAssert("\($0)".contains(expected), "\($0)")
      }
    }
  }
}
