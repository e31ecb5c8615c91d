import Safetensors
import Weights
import XCTest

/// Damaged models are refused or read, never trapped on: surviving is the assertion.
final class MalformedModelTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  /// Opens a model and reads all it offers.
  private func exercise(_ path: String) throws {
    let model = try ModelFiles.open(path: path)
    for tensor in model.tensors.values { _ = tensor.floats() }
    _ = model.configuration.encoded
  }

  private func exerciseDamaged(_ path: String, _ what: String) {
    do {
      try exercise(path)
    } catch {
      XCTAssert(error is WeightsError, "\(what): \(error)")
      XCTAssertFalse("\(error)".contains("\n"), "\(what): \(error)")
    }
  }

  func testEveryTruncationOfAGGUFIsRefused() throws {
    let whole = GGUFBuilder.tinyLlama().bytes
    try exercise(scratch.write("m.gguf", whole))
    // The last tensor's own end, before the padding that may be missing.
    let needed = whole.count - (32 - 8 * 10 * 4 % 32) % 32
    for length in stride(from: 0, to: needed, by: 3) {
      let path = scratch.write("m.gguf", Array(whole[..<length]))
      _ = failure { try exercise(path) }
    }
  }

  func testFlippedBytesOfAGGUFHeader() throws {
    var random = Random(3)
    let whole = GGUFBuilder.tinyLlama().bytes
    let header = 2200
    for trial in 0..<3000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let value = [0, 0xff, 0x7f, 0x80, UInt8(truncatingIfNeeded: random.next())]
        bytes[Int.random(in: 0..<header, using: &random)] = value.randomElement(using: &random)!
      }
      exerciseDamaged(scratch.write("m.gguf", bytes), "trial \(trial)")
    }
  }

  func testDamagedSafetensors() throws {
    var file = SafetensorsFile(metadata: ["format": "pt"])
    file.add("a", .F32, [2, 3], [Float](repeating: 1, count: 6))
    file.add("b", .F16, [4], [UInt16](repeating: 2, count: 4))
    file.add("c", .BF16, [1, 4], [UInt16](repeating: 3, count: 4))
    let whole = file.bytes
    scratch.write("config.json", "{}")
    scratch.write("model.safetensors", whole)
    try exercise(scratch.path)
    for length in 0..<whole.count {
      scratch.write("model.safetensors", Array(whole[..<length]))
      _ = failure { try exercise(scratch.path) }
    }
    var random = Random(4)
    for trial in 0..<3000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        bytes[Int.random(in: 0..<whole.count, using: &random)] =
          UInt8(truncatingIfNeeded: random.next())
      }
      scratch.write("model.safetensors", bytes)
      exerciseDamaged(scratch.path, "trial \(trial)")
    }
  }

  func testGarbage() {
    var random = Random(5)
    for size in [1, 7, 8, 100, 5000] {
      let bytes = random.bytes(size)
      _ = failure { try ModelFiles.open(path: scratch.write("m.gguf", bytes)) }
      scratch.write("config.json", bytes)
      assertContains(failure { try ModelFiles.open(path: scratch.path) }, "config.json: not JSON")
      scratch.write("config.json", "{}")
      scratch.write("model.safetensors", bytes)
      assertContains(failure { try ModelFiles.open(path: scratch.path) }, "model.safetensors: ")
    }
  }
}
