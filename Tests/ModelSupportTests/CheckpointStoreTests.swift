import Foundation
import ModelSupport
import Modeling
import Safetensors
import TestSupport
import Weights
import XCTest

final class CheckpointStoreTests: XCTestCase {
  private func tensors(_ value: Float) -> [TensorParts] {
    [TensorParts(name: "a", type: .F32, shape: [2, 3], [Float](repeating: value, count: 6))]
  }

  private func write(_ store: CheckpointStore, step: Int, keep: Int = 2) throws {
    try store.write(
      step: step, state: ["step": .integer(Int64(step))], files: [("a.safetensors", tensors(1))],
      keep: keep)
  }

  func testTheNewestAreKept() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder + "/c")
      XCTAssertNil(try store.newest(skipping: { XCTFail($0) }))
      for step in [5, 10, 100, 20] { try write(store, step: step) }
      XCTAssertEqual(store.steps, [20, 100])
      try write(store, step: 100, keep: 1)
      XCTAssertEqual(store.steps, [100])
      let newest = try XCTUnwrap(store.newest(skipping: { XCTFail($0) }))
      XCTAssertEqual(try newest.number("step"), 100)
      let file = try newest.file("a.safetensors")
      XCTAssertEqual(try file.tensor("a").floats(), [1, 1, 1, 1, 1, 1])
      XCTAssertThrowsError(try newest.file("b"))
      XCTAssertThrowsError(try newest.number("format"))
    }
  }

  func testOneRunAtATime() throws {
    try withTemporaryFolder { folder in
      var store: CheckpointStore? = try CheckpointStore(folder + "/c")
      XCTAssertThrowsError(try CheckpointStore(folder + "/c")) {
        XCTAssert("\($0)".contains("another run"), "\($0)")
      }
      // Who was refused has taken nothing away, and the lock holds.
      try store.map { try write($0, step: 1) }
      XCTAssertThrowsError(try CheckpointStore(folder + "/c/"))
      XCTAssertEqual(store?.steps, [1])
      try FileManager.default.removeItem(atPath: folder + "/c/checkpoint-1")
      store = nil
      // An empty folder goes with its store.
      XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/c"))
      XCTAssertNoThrow(try CheckpointStore(folder + "/c"))
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), [])
    }
  }

  func testOthersAreSetAside() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder + "/c")
      for aside in ["c.aside-1", "c.aside-2"] {
        for step in 1...3 { try write(store, step: step, keep: 3) }
        XCTAssert(try store.setAside([1, 3]).hasSuffix(aside))
        XCTAssertEqual(store.steps, [2])
        XCTAssertEqual(
          try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(aside)").sorted(),
          ["checkpoint-1", "checkpoint-3"])
      }
    }
  }

  func testWhatKilledRunsLeftIsRemoved() throws {
    try withTemporaryFolder { folder in
      let manager = FileManager.default
      for name in [".checkpoint-7.123.0.tmp", "checkpoint-7x", ".checkpoint-7.tmp"] {
        try manager.createDirectory(
          atPath: "\(folder)/\(name)/deep", withIntermediateDirectories: true)
      }
      let store = try CheckpointStore(folder)
      XCTAssertEqual(store.steps, [])
      XCTAssertEqual(
        try manager.contentsOfDirectory(atPath: folder).sorted(),
        [".checkpoint-7.tmp", "checkpoint-7x"])
    }
  }

  func testDamagedOnesArePassedOver() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder)
      for step in 1...5 { try write(store, step: step, keep: 5) }
      func path(_ step: Int, _ file: String) -> String {
        CheckpointStore.path(step, in: folder) + "/" + file
      }
      try FileManager.default.removeItem(atPath: path(5, "state.json"))
      try TestSupport.write(Array("{".utf8), to: path(4, "state.json"))
      try FileManager.default.removeItem(atPath: path(3, "a.safetensors"))
      var bytes = try readBytes(path(2, "a.safetensors"))
      bytes.removeLast(4)
      try TestSupport.write(bytes, to: path(2, "a.safetensors"))
      var skipped: [String] = []
      let newest = try XCTUnwrap(store.newest(skipping: { skipped.append($0) }))
      XCTAssertEqual(newest.path, CheckpointStore.path(1, in: folder))
      XCTAssertEqual(skipped.count, 4)
      for (message, step) in zip(skipped, [5, 4, 3, 2]) {
        XCTAssert(message.contains("checkpoint-\(step)"), message)
      }
      try FileManager.default.removeItem(atPath: path(1, "state.json"))
      XCTAssertThrowsError(try store.newest(skipping: { _ in }))
      // A damaged one is replaced when its step comes again.
      try write(store, step: 5)
      XCTAssertEqual(try store.newest(skipping: { XCTFail($0) })?.path.hasSuffix("-5"), true)
    }
  }

  /// Whatever bit of the newest state.json turns, what is read is what was written, or the one before.
  func testEveryBitOfTheStateCounts() throws {
    try withTemporaryFolder { folder in
      let store = try CheckpointStore(folder)
      for step in 1...2 { try write(store, step: step) }
      let path = CheckpointStore.path(2, in: folder) + "/state.json"
      let bytes = try readBytes(path)
      let whole = try XCTUnwrap(store.newest(skipping: { XCTFail($0) })).state
      for bit in 0..<bytes.count * 8 {
        var damaged = bytes
        damaged[bit / 8] ^= 1 << (bit % 8)
        try TestSupport.write(damaged, to: path)
        let found = try XCTUnwrap(store.newest(skipping: { _ in }))
        XCTAssert(found.path.hasSuffix("-1") || found.state == whole, "bit \(bit)")
      }
    }
  }

  func testIdentityNamesWhatDiffers() throws {
    struct Inner { var rate = 0.5, layers = [1, 2], name: String? = nil }
    struct Outer { var inner = Inner(), mode = MemoryConfiguration.Positions.zero }
    func identity(_ outer: Outer, model: String) -> RunIdentity {
      var identity = RunIdentity()
      identity.add(input: "model", digest: model)
      identity.add(input: "plan", digest: nil)
      identity.add(outer)
      return identity
    }
    let one = identity(Outer(), model: "ab")
    XCTAssertEqual(
      one.fields,
      [
        "model": "ab", "plan": "none", "inner.rate": "0.5", "inner.layers": "1,2",
        "mode": "zero",
      ])
    let stored = try JSONValue(parsing: Array(one.json.encoded.utf8))
    XCTAssertNoThrow(try one.check(stored, path: "c", remedy: "r"))
    var other = Outer()
    other.inner.layers = [1]
    XCTAssertThrowsError(try identity(other, model: "ab").check(stored, path: "c", remedy: "r")) {
      XCTAssert("\($0)".contains("inner.layers is 1,2 there and 1 here"), "\($0)")
    }
    XCTAssertThrowsError(try identity(other, model: "cd").check(stored, path: "c", remedy: "r")) {
      XCTAssert("\($0)".contains("model is ab there and cd here"), "\($0)")
    }
    XCTAssertThrowsError(try one.check(nil, path: "c", remedy: "r"))
  }
}
