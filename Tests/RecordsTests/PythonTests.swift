import Records
import ShardIO
import TestSupport
import XCTest

/// Ten lines of Python with `zstandard` and `safetensors` read a shard; skipped where those are
/// not installed.
final class PythonTests: XCTestCase {
  private static let script = """
    import sys, json, struct, zstandard, safetensors
    data, out, stream = open(sys.argv[1], "rb").read(), [], 0
    while data:
        if data[:4] == bytes.fromhex("5e2a4d18"):
            size, mark, blocks, rows = struct.unpack_from("<I8sQQ", data, 4)
            assert (size, mark) == (40, b"MLEND\\0\\0\\1")
            out.append([blocks, rows, data[32:48].hex()])
            data = data[48:]
            continue
        frame = zstandard.ZstdDecompressor().decompressobj()
        size = zstandard.get_frame_parameters(data)
        assert size.has_checksum
        block = frame.decompress(data)
        assert len(block) == size.content_size
        data = frame.unused_data
        n = struct.unpack_from("<Q", block)[0]
        tensors = {k: [v["dtype"], v["shape"], bytes(v["data"]).hex()]
                   for k, v in safetensors.deserialize(block)}
        out.append([json.loads(block[8:8 + n])["__metadata__"], tensors])
    print(json.dumps(out))
    """

  func testPythonReadsWhatWeWrite() throws {
    let python = ["python3", "-c", "import zstandard, safetensors"]
    guard try runProgram("env", python).status == 0 else {
      throw XCTSkip("python3 with zstandard and safetensors is not installed")
    }
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.mls"
      let shard = try Samples.planShard(Samples.planRows(4), chunkRows: 9)
      try write(shard + shard, to: path)
      let result = try runProgram("env", ["python3", "-c", PythonTests.script, path])
      XCTAssertEqual(result.status, 0, result.standardError)
      let reader = ShardReader(source: MemorySource(shard))
      let block = try XCTUnwrap(try reader.next())
      XCTAssertNil(try reader.next())
      for (name, tensor) in block.tensors {
        let hex = tensor.withUnsafeBytes { bytes in
          bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let shape = tensor.shape.map(String.init).joined(separator: ", ")
        XCTAssert(
          result.text.contains("\"\(name)\": [\"\(tensor.type.rawValue)\", [\(shape)], \"\(hex)\"]"),
          "\(name): \(result.text)")
      }
      XCTAssert(result.text.contains("[1, 4, \"\(reader.digest)\"]"), result.text)
      XCTAssert(result.text.contains("\"top_k\": \"3\""))
    }
  }
}
