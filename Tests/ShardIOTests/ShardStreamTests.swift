import Safetensors
import ShardIO
import TestSupport
import XCTest

final class ShardStreamTests: XCTestCase {
  func testRoundTripAtAnyPipeSize() throws {
    let provenance = [
      ProvenanceEntry(tool: "ml-x", version: "1", arguments: ["--a", "ü"], inputs: ["00"])
    ]
    let bytes = try Streams.make(provenance: provenance)
    for step in [1, 7, 64, .max] {
      let (blocks, _) = try Streams.read(bytes, step: step)
      XCTAssertEqual(blocks.map(\.rows), [3, 0, 2])
      XCTAssertEqual(blocks.map(\.firstRow), [0, 3, 3])
      XCTAssertEqual(blocks.map(\.index), [0, 1, 2])
      XCTAssertEqual(blocks[2].parameters, ["x": "1"])
      XCTAssertEqual(blocks[0].provenance, provenance)
      var random = SplitMix64(seed: 7)
      for block in blocks {
        let expected = Streams.tensors(block.rows, &random)
        XCTAssertEqual(block["odd"]?.copy(as: UInt8.self), expected[0].bytes)
        XCTAssertEqual(block["values"]?.withUnsafeBytes { Array($0) }, expected[1].bytes)
        XCTAssertEqual(block["values"]?.shape, [block.rows, 2])
      }
    }
  }

  func testDeferredBlocksGiveTheSameBytes() throws {
    XCTAssertEqual(try Streams.make(), try Streams.make(defers: true))
    XCTAssertEqual(try Streams.make(blocks: [0]), try Streams.make(blocks: [0], defers: true))
  }

  func testThreadsGiveTheSameBytes() throws {
    let blocks = [3, 0, 2, 900, 1, 70, 5000, 4]
    let alone = try Streams.make(blocks: blocks)
    for threads in 1...4 {
      for defers in [false, true] {
        XCTAssertEqual(
          try Streams.make(blocks: blocks, defers: defers, threads: threads), alone)
      }
    }
  }

  /// A block in use keeps its bytes while the next ones are read.
  func testBlocksThatAreKeptStayAsTheyAre() throws {
    let blocks = try Streams.read(Streams.make(blocks: Array(1...40))).0
    var random = SplitMix64(seed: 7)
    for block in blocks {
      let expected = Streams.tensors(block.rows, &random)
      XCTAssertEqual(block["odd"]?.copy(as: UInt8.self), expected[0].bytes)
    }
  }

  func testDeferredBlockTakesLateParameters() throws {
    let sink = MemorySink()
    let writer = ShardWriter(
      sink: sink, kind: "test", parameters: ["x": "", "y": "2"],
      provenance: [ProvenanceEntry(tool: "t", version: "1", arguments: [])], compressionLevel: 1,
      defersFirstBlock: true)
    var random = SplitMix64(seed: 1)
    for rows in [2, 1] { try writer.append(rows: rows, tensors: Streams.tensors(rows, &random)) }
    XCTAssertEqual(sink.bytes, [])
    let input = try XCTUnwrap(Digest(hexadecimal: "000102030405060708090a0b0c0d0e0f"))
    let digest = try writer.finish(addingParameters: ["x": "late"], inputs: [input])
    let (blocks, read) = try Streams.read(sink.bytes)
    XCTAssertEqual(blocks[0].parameters, ["x": "late", "y": "2"])
    XCTAssertEqual(blocks[0].provenance?[0].inputs, ["000102030405060708090a0b0c0d0e0f"])
    XCTAssertEqual(read, digest)
  }

  func testDigestNamesTheDataOnly() throws {
    let plain = try Streams.read(Streams.make()).1
    let other = try Streams.read(
      Streams.make(
        parameters: ["y": "2"],
        provenance: [ProvenanceEntry(tool: "t", version: "1", arguments: [])])
    ).1
    XCTAssertEqual(plain, other)
    XCTAssertNotEqual(plain, try Streams.read(Streams.make(blocks: [4])).1)
    // the tensor bytes of all blocks, widest elements first within a block
    var random = SplitMix64(seed: 7)
    var data: [UInt8] = []
    for rows in [3, 0, 2] {
      let tensors = Streams.tensors(rows, &random)
      data += tensors[1].bytes + tensors[0].bytes
    }
    XCTAssertEqual(plain, data.withUnsafeBytes { Digest.of($0) })
  }

  func testConcatenation() throws {
    let (a, b) = (try Streams.make(), try Streams.make(blocks: [4]))
    let (blocks, digest) = try Streams.read(a + b + a)
    XCTAssertEqual(blocks.map(\.stream), [0, 0, 0, 1, 2, 2, 2])
    XCTAssertEqual(blocks.map(\.rowBase), [0, 0, 0, 5, 9, 9, 9])
    XCTAssertEqual(blocks.map(\.firstRow), [0, 3, 3, 0, 0, 3, 3])
    let parts = [try Streams.read(a).1, try Streams.read(b).1, try Streams.read(a).1]
    XCTAssertEqual(digest, parts.flatMap(\.bytes).withUnsafeBytes { Digest.of($0) })
    XCTAssertEqual(digest, Digest.combining(parts))
    // several sources are the same concatenation
    let reader = ShardReader(sources: [a, b, a].map { MemorySource($0) })
    while try reader.next() != nil {}
    XCTAssertEqual(reader.digest, digest)
  }

  func testDigestText() throws {
    // XXH3-128 of nothing, canonical
    let empty = Digest.of(UnsafeRawBufferPointer(start: nil, count: 0))
    XCTAssertEqual(empty.description, "99aa06d3014798d86001c324468d497f")
    XCTAssertEqual(Digest(hexadecimal: empty.description), empty)
    XCTAssertEqual(Digest(bytes: empty.bytes), empty)
    XCTAssertNil(Digest(hexadecimal: "99aa"))
    XCTAssertNil(Digest(hexadecimal: String(repeating: "g", count: 32)))
    XCTAssertNil(Digest(hexadecimal: String(repeating: "０", count: 32)))
  }

  func testLargeBlocksKeepMemoryFlat() throws {
    let sink = MemorySink()
    let writer = ShardWriter(
      sink: sink, kind: "test", parameters: [:], provenance: nil, compressionLevel: 1)
    let count = 5 << 20
    let values = [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      for index in 0..<count { buffer[index] = Float(index & 0xfff) }
      filled = count
    }
    for _ in 0..<2 {
      try writer.append(rows: count, tensors: [NamedTensor("values", .F32, [count], values)])
    }
    try writer.finish()
    let (blocks, _) = try Streams.read(sink.bytes)
    XCTAssertEqual(blocks.map(\.rows), [count, count])
    XCTAssertEqual(blocks[1]["values"]?.copy(as: Float.self), values)
  }

  func testTheZstdProgramAcceptsShards() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.mls"
      try write(Streams.make() + Streams.make(blocks: [1]), to: path)
      let result = try runProgram("zstd", ["-t", path])
      XCTAssertEqual(result.status, 0, result.standardError)
    }
  }
}
