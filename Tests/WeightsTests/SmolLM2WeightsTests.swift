import Safetensors
import TestSupport
import Weights
import XCTest

/// The demo's base model against values dequantised by an independent program (fixture smollm2).
final class SmolLM2WeightsTests: XCTestCase {
  private func open() throws -> ModelFiles {
    try ModelFiles.open(
      path: cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
  }

  private func facts() throws -> JSONValue {
    try JSONValue(parsing: readBytes(fixture("smollm2/case.json")))
  }

  func testConfiguration() throws {
    let model = try open()
    XCTAssertEqual(model.name, "SmolLM2-135M-Instruct.Q4_1")
    let expected = try XCTUnwrap(facts()["config"]?.objectValue)
    for (key, value) in expected {
      let actual = model.configuration[key]
      if let number = value.doubleValue {
        XCTAssertEqual(actual?.doubleValue, number, key)
      } else {
        XCTAssertEqual(actual, value, key)
      }
    }
    XCTAssertEqual(model.gguf?.metadata["tokenizer.ggml.tokens"]?.stringsValue?.count, 49152)
    XCTAssertEqual(model.gguf?.metadata["tokenizer.ggml.merges"]?.stringsValue?.count, 48900)
    XCTAssertEqual(model.gguf?.metadata["tokenizer.ggml.token_type"]?.intsValue?.count, 49152)
  }

  func testProbes() throws {
    let model = try open()
    let probes = try MappedSafetensors(path: fixture("smollm2/tensors.safetensors"))
    let names = probes.entries.map(\.name).filter { $0.hasPrefix("probe.model.") }
    XCTAssertEqual(names.count, 5)
    for name in names {
      let probe = try probes.tensor(name)
      let tensor = try model.tensor(String(name.dropFirst(6)))
      var rows = [Float](repeating: 0, count: probe.rows * tensor.columns)
      tensor.expand(rows: 0..<probe.rows, into: &rows)
      let corner = (0..<probe.rows).flatMap { row in
        rows[row * tensor.columns..<row * tensor.columns + 64]
      }
      XCTAssertEqual(corner, probe.floats(), name)
    }
  }

  /// Every tensor, whole.
  func testSumsOfMagnitudes() throws {
    let model = try open()
    let names = try XCTUnwrap(facts()["sum_abs_names"]?.arrayValue).compactMap(\.stringValue)
    let probes = try MappedSafetensors(path: fixture("smollm2/tensors.safetensors"))
    let sums = try probes.withBytes(of: XCTUnwrap(probes.entry("probe.sum_abs"))) { bytes in
      stride(from: 0, to: bytes.count, by: 8).map {
        bytes.loadUnaligned(fromByteOffset: $0, as: Double.self)
      }
    }
    XCTAssertEqual(Set(names), Set(model.tensors.keys))
    XCTAssertEqual(sums.count, names.count)
    for (name, expected) in zip(names, sums) {
      let sum = try model.tensor(name).floats().reduce(0.0) { $0 + Double(abs($1)) }
      XCTAssertEqual(sum, expected, accuracy: 1e-9 * expected, name)
    }
  }

  func testSentenceEncoderFolder() throws {
    let model = try ModelFiles.open(path: cachedModel("minilm"))
    XCTAssertEqual(model.name, "minilm")
    XCTAssertEqual(model.configuration["model_type"]?.stringValue, "bert")
    let hidden = try XCTUnwrap(model.configuration["hidden_size"]?.intValue)
    let vocabulary = try XCTUnwrap(model.configuration["vocab_size"]?.intValue)
    let words = try model.tensor(
      "embeddings.word_embeddings.weight", shape: [vocabulary, hidden])
    XCTAssert(words.floats().allSatisfy { $0.isFinite })
  }
}
