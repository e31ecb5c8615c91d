import Records
import Safetensors
import ShardIO
import TestSupport
import XCTest

final class StateTests: XCTestCase {
  private func read(_ bytes: [UInt8]) throws -> ([StateRow], StateReader) {
    let reader = try StateReader(source: MemorySource(bytes))
    var rows: [StateRow] = []
    while let batch = try reader.next() {
      XCTAssertEqual(batch.firstRow, rows.count)
      rows += batch.rows
    }
    return (rows, reader)
  }

  func testRoundTrip() throws {
    for layers in [[], [2], [2, 3]] {
      for type in [ElementType.BF16, .F32] {
        let parameters = Samples.stateParameters(layers: layers, type: type)
        for count in [0, 1, 20] {
          let rows = Samples.stateRows(count, parameters)
          let bytes = try Samples.stateShard(rows, parameters)
          let (found, reader) = try read(bytes)
          XCTAssertEqual(found, rows)
          XCTAssertEqual(reader.parameters, parameters)
          XCTAssertEqual(try read(bytes + bytes).0, rows + rows)
        }
      }
    }
  }

  func testBlocksThatAreNotReached() throws {
    let parameters = Samples.stateParameters(layers: [1], type: .F32, width: 4096)
    let rows = Samples.stateRows(300, parameters)
    let bytes = try Samples.stateShard(rows, parameters)
    let reader = try StateReader(source: MemorySource(bytes))
    let batch = try XCTUnwrap(try reader.next(reaching: 250))
    XCTAssertGreaterThan(batch.firstRow, 0)
    XCTAssert(batch.firstRow..<batch.firstRow + batch.rows.count ~= 250)
    XCTAssertEqual(batch.rows, Array(rows[batch.firstRow...].prefix(batch.rows.count)))
  }

  func testTensorsThatDisagree() throws {
    let parameters = Samples.stateParameters(layers: [2], type: .BF16)
    let shard = try Samples.stateShard(Samples.stateRows(3, parameters), parameters)
    let good = try XCTUnwrap(try ShardReader(source: MemorySource(shard)).next())
    func refuse<Value: BitwiseCopyable>(
      _ name: String, _ type: ElementType, _ shape: [Int], _ values: [Value], _ expected: String
    ) throws {
      let sink = MemorySink()
      let writer = ShardWriter(
        sink: sink, kind: "states", parameters: good.parameters, provenance: nil,
        compressionLevel: 1)
      let kept = good.tensors.values.filter { $0.name != name }.map { tensor in
        NamedTensor(tensor.name, tensor.type, tensor.shape, bytes: tensor.copyBytes())
      }
      try writer.append(rows: 3, tensors: kept + [NamedTensor(name, type, shape, values)])
      try writer.finish()
      XCTAssertThrowsError(try read(sink.bytes), name) {
        XCTAssert("\($0)".contains(expected), "\($0)")
      }
    }
    try refuse("length", .U16, [3], [1, 0, 3] as [UInt16], "length is 0 at row 1")
    try refuse("length", .U16, [3], [1, 2, 2] as [UInt16], "tensor hidden has shape")
    try refuse("kept", .U8, [3], [1, 2, 0] as [UInt8], "kept is 2 at row 1")
    try refuse("kept", .U8, [3], [1, 1, 1] as [UInt8], "tensor keys has shape")
    let size = good["hidden"]!.shape
    let infinite = [UInt16](repeating: 0x7f80, count: size[0] * size[1])
    try refuse("hidden", .BF16, size, infinite, "hidden hold a value that is not finite")
    try refuse("hidden", .F16, size, infinite, "tensor hidden is F16, where BF16 is expected")
  }
}

extension ShardTensor {
  fileprivate func copyBytes() -> [UInt8] { withUnsafeBytes { Array($0) } }
}
