import Safetensors
import ShardIO
import TestSupport
import XCTest

/// Small streams for the tests: kind `test`, a F32 tensor [rows, 2] and a U8 tensor.
enum Streams {
  static func make(
    blocks: [Int] = [3, 0, 2], kind: String = "test", parameters: [String: String] = ["x": "1"],
    provenance: Provenance? = nil, defers: Bool = false, threads: Int = 0
  ) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = ShardWriter(
      sink: sink, kind: kind, parameters: parameters, provenance: provenance, compressionLevel: 3,
      defersFirstBlock: defers, threads: threads)
    var random = SplitMix64(seed: 7)
    for rows in blocks { try writer.append(rows: rows, tensors: tensors(rows, &random)) }
    try writer.finish()
    return sink.bytes
  }

  static func tensors(_ rows: Int, _ random: inout SplitMix64) -> [NamedTensor] {
    [
      NamedTensor("odd", .U8, [rows, 3], random.integers(rows * 3, in: 0..<4).map { UInt8($0) }),
      NamedTensor("values", .F32, [rows, 2], random.floats(rows * 2)),
    ]
  }

  /// Reads to the end: ahead on another thread, and then without, which must say the same of
  /// whatever is wrong.
  static func read(_ bytes: [UInt8], step: Int = .max) throws -> ([ShardBlock], Digest) {
    let ahead = Result { try read(bytes, step: step, readsAhead: true) }
    let result = Result { try read(bytes, step: step, readsAhead: false) }
    XCTAssertEqual(outcome(ahead), outcome(result))
    return try result.get()
  }

  private static func outcome(_ result: Result<([ShardBlock], Digest), any Error>) -> String {
    switch result {
    case .success(let (blocks, digest)): "\(blocks.map(\.rows)) \(digest)"
    case .failure(let error): "\(error)"
    }
  }

  private static func read(
    _ bytes: [UInt8], step: Int, readsAhead: Bool
  ) throws -> ([ShardBlock], Digest) {
    let reader = ShardReader(sources: [MemorySource(bytes, step: step)], readsAhead: readsAhead)
    var blocks: [ShardBlock] = []
    while let block = try reader.next() { blocks.append(block) }
    return (blocks, reader.digest)
  }

  /// One frame per content as the `zstd` program writes it, then END: streams that our own writer
  /// would not write. `frames` are metadata and tensors.
  static func byHand(
    _ contents: [[UInt8]], flags: [String] = ["--check"], end: [UInt8]? = nil
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try withTemporaryFolder { folder in
      for content in contents {
        let path = "\(folder)/content"
        try write(content, to: path)
        bytes += try runProgram("zstd", ["-q", "-f", "-c"] + flags + [path]).output
      }
    }
    return bytes + (end ?? [])
  }

  static func content(_ metadata: [String: String], rows: Int = 1) -> [UInt8] {
    var file = SafetensorsFile(metadata: metadata)
    file.add("values", .F32, [rows], [Float](repeating: 1, count: rows))
    return file.bytes
  }

  static func metadata(
    block: Int = 0, firstRow: Int = 0, rows: Int = 1, kind: String = "test"
  ) -> [String: String] {
    [
      "format": "memlong/1", "kind": kind, "block": "\(block)", "first_row": "\(firstRow)",
      "rows": "\(rows)",
    ]
  }

  static func end(blocks: UInt64, rows: UInt64, data: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x5e, 0x2a, 0x4d, 0x18, 40, 0, 0, 0]
    bytes += Array("MLEND".utf8) + [0, 0, 1]
    withUnsafeBytes(of: blocks.littleEndian) { bytes += $0 }
    withUnsafeBytes(of: rows.littleEndian) { bytes += $0 }
    return bytes + data.withUnsafeBytes { Digest.of($0) }.bytes
  }
}
