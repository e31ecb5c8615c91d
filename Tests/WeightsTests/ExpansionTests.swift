import TestSupport
import Weights
import XCTest

/// Every storage type against a dequantiser written element by element from ggml's block layouts.
final class ExpansionTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  private func stored(_ type: UInt32, columns: Int, rows: Int, _ data: [UInt8]) throws
    -> StoredTensor
  {
    var builder = GGUFBuilder()
    builder.add("x", [UInt64(columns), UInt64(rows)], type, data)
    return try GGUFFile(path: scratch.write("x.gguf", builder.bytes)).tensor("x")
  }

  private func assertSame(
    _ values: [Float], _ expected: [Float], _ what: String = "",
    file: StaticString = #filePath, line: UInt = #line
  ) {
    XCTAssertEqual(values.count, expected.count, what, file: file, line: line)
    for (i, (value, wanted)) in zip(values, expected).enumerated()
    where value.bitPattern != wanted.bitPattern && !(value.isNaN && wanted.isNaN) {
      return XCTFail("\(what) element \(i): \(value), expected \(wanted)", file: file, line: line)
    }
  }

  func testEveryHalfIsExact() throws {
    let halves = (0...UInt16.max).map { $0 }
    let tensor = try stored(1, columns: 1024, rows: 64, halves.flatMap { littleEndian($0) })
    XCTAssertEqual(tensor.storage, .f16)
    assertSame(tensor.floats(), halves.map { Float(Float16(bitPattern: $0)) })
  }

  func testEveryBFloat16IsExact() throws {
    let bits = (0...UInt16.max).map { $0 }
    let tensor = try stored(30, columns: 1024, rows: 64, bits.flatMap { littleEndian($0) })
    XCTAssertEqual(tensor.storage, .bf16)
    assertSame(tensor.floats(), bits.map { Float(bitPattern: UInt32($0) << 16) })
  }

  func testFloat32IsCopied() throws {
    var random = Random(1)
    let floats = (0..<96).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    let data = floats.flatMap { littleEndian($0.bitPattern) }
    assertSame(try stored(0, columns: 8, rows: 12, data).floats(), floats)
  }

  /// Random bytes are legal blocks, whatever their scales: zero, subnormal, infinite, not a number.
  func testQuantisedBlocksEqualTheNaiveDequantiser() throws {
    let cases: [(UInt32, StorageType, ([UInt8]) -> [Float])] = [
      (8, .q8_0, naiveQ80), (2, .q4_0, naiveQ40), (3, .q4_1, naiveQ41),
    ]
    var random = Random(2)
    for (code, storage, naive) in cases {
      for (columns, rows) in [(32, 1), (64, 7), (576, 5)] {
        let data = random.bytes(columns * rows / 32 * storage.bytesPerBlock)
        let tensor = try stored(code, columns: columns, rows: rows, data)
        XCTAssertEqual(tensor.storage, storage)
        XCTAssertEqual(tensor.shape, [rows, columns])
        XCTAssertEqual(tensor.byteCount, data.count)
        let expected = data.chunks(storage.bytesPerBlock).flatMap(naive)
        assertSame(tensor.floats(), expected)
        let middle = rows / 2..<rows
        assertSame(
          expand(tensor, middle), Array(expected[middle.lowerBound * columns..<rows * columns]))
      }
    }
  }

  /// Every type's blocks as the Python package `gguf` expands them, bit for bit.
  func testEveryTypeEqualsTheReference() throws {
    let file = try GGUFFile(path: fixture("gguf-types/types.gguf"))
    let expected = try Tensors(fixture: "gguf-types/expected.safetensors")
    XCTAssertEqual(Set(file.tensors.map(\.name)), Set(StorageType.allCases.map(\.rawValue)))
    for name in expected.names {
      let tensor = try file.tensor(name)
      XCTAssertEqual(tensor.storage.rawValue, name)
      assertSame(tensor.floats(), try expected.floats(name), name)
      let start = 2 * tensor.columns
      assertSame(expand(tensor, 2..<3), Array(try expected.floats(name)[start...]), name)
    }
  }

  func testTensorsInMemory() {
    let tensor = StoredTensor(name: "x", shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(tensor.floats(), [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(expand(tensor, 1..<2), [4, 5, 6])
    XCTAssertEqual(StoredTensor(name: "e", shape: [0, 3], values: []).floats(), [])
    XCTAssertEqual(StoredTensor(name: "s", shape: [], values: [7]).floats(), [7])
  }

  private func expand(_ tensor: StoredTensor, _ rows: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows.count * tensor.columns) { buffer, count in
      tensor.expand(rows: rows, into: buffer.baseAddress!)
      count = rows.count * tensor.columns
    }
  }
}

// MARK: - Naive reference: one block, column by column

private func half(_ block: [UInt8], _ at: Int) -> Float {
  Float(Float16(bitPattern: UInt16(block[at]) | UInt16(block[at + 1]) << 8))
}

private func nibble(_ block: [UInt8], _ from: Int, _ column: Int) -> Float {
  column < 16 ? Float(block[from + column] % 16) : Float(block[from + column - 16] / 16)
}

private func naiveQ80(_ block: [UInt8]) -> [Float] {
  (0..<32).map { half(block, 0) * Float(Int8(bitPattern: block[2 + $0])) }
}

private func naiveQ40(_ block: [UInt8]) -> [Float] {
  (0..<32).map { half(block, 0) * (nibble(block, 2, $0) - 8) }
}

private func naiveQ41(_ block: [UInt8]) -> [Float] {
  (0..<32).map { half(block, 0) * nibble(block, 4, $0) + half(block, 2) }
}

extension [UInt8] {
  fileprivate func chunks(_ size: Int) -> [[UInt8]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<$0 + size]) }
  }
}
