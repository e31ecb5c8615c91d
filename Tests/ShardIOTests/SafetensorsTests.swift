import Safetensors
import XCTest

final class SafetensorsTests: XCTestCase {
  private func header(_ json: String, data: Int) throws -> SafetensorsHeader {
    var bytes = withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian) { Array($0) }
    bytes += json.utf8
    bytes += [UInt8](repeating: 0, count: data)
    return try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0) }
  }

  func testRoundTrip() throws {
    var file = SafetensorsFile(metadata: ["z": "1", "a": "ü\""])
    file.add("w", .F32, [2, 3], [1, 2, 3, 4, 5, 6] as [Float])
    file.add("empty", .I64, [0, 7], [] as [Int64])
    file.add("scalar", .U8, [], [9] as [UInt8])
    let bytes = file.bytes
    let header = try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0) }
    XCTAssertEqual(header.metadata, ["z": "1", "a": "ü\""])
    XCTAssertEqual(header.dataOffset % 8, 0)
    XCTAssertEqual(header["w"]?.shape, [2, 3])
    XCTAssertEqual(header["w"]?.range, 0..<24)
    XCTAssertEqual(header["empty"]?.elementCount, 0)
    XCTAssertEqual(header["scalar"]?.range, 24..<25)
    XCTAssertEqual(bytes.count, header.dataOffset + 25)
  }

  func testNoTensors() throws {
    XCTAssertEqual(try header("{}", data: 0).tensors, [])
    XCTAssertThrowsError(try header("{}", data: 1))
  }

  func testLengthsThatLie() {
    for length: UInt64 in [1 << 60, .max, 1 << 63, 100_000_001, 3] {
      var bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
      bytes += Array("{}".utf8)
      XCTAssertThrowsError(
        try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0) }, "\(length)")
    }
    for count in 0..<8 {
      let bytes = [UInt8](repeating: 0, count: count)
      XCTAssertThrowsError(try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0) })
    }
  }

  func testTensorsThatLie() throws {
    let good = #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#
    XCTAssertEqual(try header(good, data: 4).tensors.count, 1)
    let bad = [
      #"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,5]}}"#,
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#,
      #"{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[4.5],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}}"#,
      #"{"a":{"dtype":"U8","shape":[4]}}"#,
      #"{"a":{"dtype":"F7","shape":[4],"data_offsets":[0,4]}}"#,
      #"{"a":{"shape":[4],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}"#,
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
      #"{"__metadata__":{"a":1},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
      #"{"__metadata__":[],"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
      #"{"a":7}"#, "[]", "7", " {}", "{", "", "{}x",
    ]
    for json in bad { XCTAssertThrowsError(try header(json, data: 4), json) }
  }
}
