import CXXHash
import Records
import ShardIO
import TestSupport
import XCTest

/// Shards of every kind, damaged as files and, behind good checksums, as records (see `fuzz`).
final class RecordsFuzzTests: XCTestCase {
  private func shards() throws -> [[UInt8]] {
    [
      try Samples.chunkShard(Samples.chunks(9)), try Samples.embeddingShard(7),
      try Samples.planShard(Samples.planRows(6), chunkRows: 20),
      try Samples.scoreShard(Samples.scoreRows(9)),
    ]
  }

  private func exercise(_ bytes: [UInt8]) throws {
    do {
      let reader = try RecordReader(sources: [MemorySource(bytes)])
      while try reader.skip() {}
    } catch is ShardError {}
  }

  func testShards() throws { try fuzz("shards", seeds: shards(), exercise) }

  /// The safetensors buffer of a block is damaged, then framed and ended as if it were good.
  func testRecords() throws {
    let contents = try shards().map { try content(of: $0) }
    for content in contents { try exerciseWell(framed(content)) }
    try fuzz("records", seeds: contents) { try exercise(framed($0)) }
  }

  private func exerciseWell(_ bytes: [UInt8]) throws {
    let reader = try RecordReader(sources: [MemorySource(bytes)])
    while try reader.skip() {}
  }

  /// The decompressed first frame; the samples have one.
  private func content(of shard: [UInt8]) throws -> [UInt8] {
    try withTemporaryFolder { folder in
      try write(Array(shard.dropLast(48)), to: folder + "/frame.zst")
      return try runProgram("zstd", ["-q", "-d", "-c", folder + "/frame.zst"]).output
    }
  }

  /// One uncompressed block in a zstd frame (RFC 8878, 3.1.1), then END with the hash that fits.
  private func framed(_ content: [UInt8]) -> [UInt8] {
    let sum = content.withUnsafeBytes { XXH64($0.baseAddress, $0.count, 0) }
    var bytes: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0xa4]
    append(UInt32(content.count), to: &bytes)
    append(UInt32(content.count) << 3 | 1, to: &bytes)
    bytes.removeLast()
    bytes += content
    append(UInt32(truncatingIfNeeded: sum), to: &bytes)
    bytes += [0x5e, 0x2a, 0x4d, 0x18, 40, 0, 0, 0] + Array("MLEND\0\0\u{1}".utf8)
    append(UInt64(1), to: &bytes)
    append(rows(of: content), to: &bytes)
    let header = content.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    let fits = content.count >= 8 && header <= UInt64(content.count - 8)
    let data = fits ? 8 + Int(header) : 0
    return bytes + content[data...].withUnsafeBytes { Digest.of($0) }.bytes
  }

  /// What the header claims, so that END agrees with it.
  private func rows(of content: [UInt8]) -> UInt64 {
    guard let key = content.firstRange(of: Array("\"rows\":\"".utf8)) else { return 0 }
    let digits = content[key.upperBound...].prefix { (0x30...0x39).contains($0) }
    return UInt64(String(decoding: digits, as: UTF8.self)) ?? 0
  }

  private func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}
