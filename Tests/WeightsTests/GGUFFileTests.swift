import Weights
import XCTest

final class GGUFFileTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  private func open(_ builder: GGUFBuilder) throws -> GGUFFile {
    try GGUFFile(path: scratch.write("x.gguf", builder.bytes))
  }

  func testEveryMetadataType() throws {
    var builder = GGUFBuilder()
    builder.set("u8", 0, [200])
    builder.set("i8", 1, [200])
    builder.set("u16", 2, littleEndian(UInt16(60000)))
    builder.set("i16", 3, littleEndian(Int16(-2)))
    builder.set("u32", 4, littleEndian(UInt32(4_000_000_000)))
    builder.set("i32", 5, littleEndian(Int32(-3)))
    builder.set("f32", 6, littleEndian(Float(0.1).bitPattern))
    builder.set("bool", 7, [1])
    builder.set("text", "naïve ▁")
    builder.set("u64", 10, littleEndian(UInt64(5)))
    builder.set("large", 10, littleEndian(UInt64.max))
    builder.set("i64", 11, littleEndian(Int64.min))
    builder.set("f64", 12, littleEndian(Double.pi.bitPattern))
    let two = littleEndian(UInt64(2))
    builder.set("texts", 9, littleEndian(UInt32(8)) + two + string("a") + string(""))
    builder.set("bools", 9, littleEndian(UInt32(7)) + two + [0, 1])
    builder.set("ints", 9, littleEndian(UInt32(5)) + two + littleEndian(Int32(-1)) + [7, 0, 0, 0])
    builder.set("floats", 9, littleEndian(UInt32(12)) + two + [UInt8](repeating: 0, count: 16))
    builder.set(
      "nested", 9,
      littleEndian(UInt32(9)) + two
        + littleEndian(UInt32(0)) + two + [1, 2] + littleEndian(UInt32(0)) + littleEndian(UInt64(0))
    )
    let metadata = try open(builder).metadata
    let expected: [String: GGUFValue] = [
      "u8": .integer(200), "i8": .integer(-56), "u16": .integer(60000), "i16": .integer(-2),
      "u32": .integer(4_000_000_000), "i32": .integer(-3), "f32": .float(Double(Float(0.1))),
      "bool": .bool(true), "text": .string("naïve ▁"), "u64": .integer(5),
      "large": .unsigned(.max), "i64": .integer(.min), "f64": .float(.pi),
      "texts": .strings(["a", ""]), "bools": .bools([false, true]), "ints": .integers([-1, 7]),
      "floats": .floats([0, 0]), "nested": .array([.integers([1, 2]), .integers([])]),
    ]
    XCTAssertEqual(metadata, expected)
    XCTAssertEqual(metadata["texts"]?.stringsValue, ["a", ""])
    XCTAssertEqual(metadata["ints"]?.intsValue, [-1, 7])
    XCTAssertEqual(metadata["u8"]?.doubleValue, 200)
  }

  func testVersionsAndAlignment() throws {
    for version in [UInt32(2), 3] {
      for alignment in [8, 32, 64] {
        var builder = GGUFBuilder()
        builder.version = version
        builder.alignment = alignment
        builder.set("general.alignment", UInt32(alignment))
        builder.add("a", [3], floats: [1, 2, 3])
        builder.add("b", [2, 2], floats: [4, 5, 6, 7])
        let file = try open(builder)
        XCTAssertEqual(file.version, Int(version))
        XCTAssertEqual(file.tensors.map(\.name), ["a", "b"])
        XCTAssertEqual(try file.tensor("a").floats(), [1, 2, 3])
        XCTAssertEqual(try file.tensor("b").floats(), [4, 5, 6, 7])
        XCTAssertEqual(try file.tensor("b").shape, [2, 2])
      }
    }
  }

  func testRefusals() {
    let cases: [(String, (inout GGUFBuilder) -> Void)] = [
      ("not a GGUF file", { $0.magic = Array("GGML".utf8) }),
      ("version 1 is not supported", { $0.version = 1 }),
      ("version 4 is not supported", { $0.version = 4 }),
      ("big-endian", { $0.version = 0x0300_0000 }),
      ("tensor count: 18446744073709551615 does not fit", { $0.tensorCount = .max }),
      ("metadata count: 1000000000 does not fit", { $0.keyCount = 1_000_000_000 }),
      ("metadata key k occurs twice", { for _ in 0..<2 { $0.set("k", "v") } }),
      ("k: unknown metadata type 13", { $0.set("k", 13, [0]) }),
      ("k: 2 is not a boolean", { $0.set("k", 7, [2]) }),
      ("k is not UTF-8", { $0.set("k", 8, littleEndian(UInt64(2)) + [0xff, 0xfe]) }),
      ("length of k: 4611686018427387904", { $0.set("k", 8, littleEndian(UInt64(1) << 62)) }),
      (
        "length of k: 1152921504606846976",
        { $0.set("k", 9, littleEndian(UInt32(4)) + littleEndian(UInt64(1) << 60)) }
      ),
      (
        "nested deeper",
        {
          let level = littleEndian(UInt32(9)) + littleEndian(UInt64(1))
          $0.set("k", 9, (0..<1000).flatMap { _ in level })
        }
      ),
      ("general.alignment is not", { $0.set("general.alignment", UInt32(0)) }),
      ("general.alignment is not", { $0.set("general.alignment", UInt32(24)) }),
      ("general.alignment is not", { $0.set("general.alignment", "32") }),
      ("tensor t occurs twice", { for _ in 0..<2 { $0.add("t", [1], floats: [1]) } }),
      ("tensor t has 0 dimensions", { $0.add("t", [], floats: [1]) }),
      ("tensor t has 5 dimensions", { $0.add("t", [1, 1, 1, 1, 1], floats: [1]) }),
      ("tensor t has a dimension of 0", { $0.add("t", [0], floats: []) }),
      ("tensor t has a dimension of 92233", { $0.add("t", [1 << 63], floats: []) }),
      ("tensor t: shape", { $0.add("t", [1 << 32, 1 << 32], floats: []) }),
      ("tensor t: shape [33] is not Q8_0's", { $0.add("t", [33], 8, [UInt8](0..<68)) }),
      ("tensor t takes 64 bytes at 0 of 32: truncated", { $0.add("t", [16], floats: [1]) }),
    ]
    for (expected, spoil) in cases {
      var builder = GGUFBuilder()
      spoil(&builder)
      assertContains(failure { try open(builder) }, expected)
    }
  }

  func testOffsets() {
    for (offset, expected) in [
      (UInt64.max, "offset 18446744073709551615 is outside"), (96, "offset 96 is outside"),
      (16, "not aligned"), (0, "tensors a and b overlap"),
    ] {
      var builder = GGUFBuilder()
      builder.add("a", [8], floats: [Float](repeating: 1, count: 8))
      builder.add("b", [8], floats: [Float](repeating: 2, count: 8))
      builder.tensors[1].offset = offset
      assertContains(failure { try open(builder) }, expected)
    }
  }

  func testTypesThatCannotBeExpandedAreRefusedByName() throws {
    var builder = GGUFBuilder()
    builder.add("k", [256], 23, [UInt8](repeating: 0, count: 136))
    builder.add("new", [256], 77, [UInt8](repeating: 0, count: 300))
    let file = try open(builder)
    assertContains(
      failure { try file.tensor("k") }, "tensor k is stored as IQ4_XS; supported are F32")
    assertContains(failure { try file.tensor("new") }, "tensor new is stored as type 77")
    assertContains(failure { try file.tensor("absent") }, "no tensor absent")
  }

  func testFilesThatAreNone() {
    assertContains(failure { try GGUFFile(path: scratch.file("absent")) }, "No such file")
    assertContains(failure { try GGUFFile(path: scratch.path) }, "not a regular file")
    let empty = scratch.write("empty", [])
    assertContains(failure { try GGUFFile(path: empty) }, "empty: not a GGUF file")
  }
}
