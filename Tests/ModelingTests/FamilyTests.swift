import Foundation
import Modeling
import Safetensors
import TestSupport
import Weights
import XCTest

/// Tiny random models of each family against transformers 4.46 and PEFT 0.12 (Tests/interop/families.py).
final class FamilyTests: XCTestCase {
  func testMistral() throws { try check("mistral") }

  func testQwen2() throws { try check("qwen2") }

  /// Tied, the first layer without the window.
  func testQwen2WithWindow() throws { try check("qwen2-window") }

  /// 16 tokens by the short factors, 24 by the long ones.
  func testPhi3() throws { try check("phi3", lengths: [16, 24]) }

  func testGemma() throws { try check("gemma") }

  /// The ramp begins at the original length, not at the stretched one.
  func testYarnOfAnOriginalLength() throws { try check("mistral-yarn") }

  func testLlama3Rotation() throws { try check("llama-rope-parameters") }

  func testQwen2WithLayerTypes() throws { try check("qwen2-layer-types") }

  /// `rope_parameters` and `dtype` in place of `rope_scaling`, `rope_theta` and `torch_dtype`.
  func testSpellingOfTransformers5() throws {
    for name in ["mistral-yarn", "llama-rope-parameters", "qwen2-layer-types"] {
      let (old, new) = try (
        fixtureJSON("families/\(name)/config.json"),
        fixtureJSON("families/\(name)/config-transformers5.json")
      )
      XCTAssertNotEqual(old, new)
      XCTAssertEqual(
        try LlamaConfiguration(huggingFace: old), try LlamaConfiguration(huggingFace: new), name)
    }
  }

  func testNarrowWeights() throws {
    try check("phi3", lengths: [24], residency: .stored)
    try check("gemma", residency: .stored)
  }

  func testHiddenStatesOfLlama() throws {
    let model = try FixtureModel("llama-mha")
    let hidden = try MappedSafetensors(path: fixture("llama-mha/hidden.safetensors"))
    try checkHidden(model, tokens: try model.tokens("input_ids")) {
      try hidden.tensor("hidden.\($0)").floats()
    }
  }

  private func check(
    _ name: String, lengths: [Int] = [24], residency: WeightResidency = .expanded
  ) throws {
    let model = try FixtureModel("families/" + name, residency: residency)
    for length in lengths {
      let tokens = try model.tokens("input_ids.\(length)")
      XCTAssertEqual(tokens.count, length)
      let pass = try checkHidden(model, tokens: tokens) {
        try model.floats("hidden.\($0).\(length)")
      }
      let ours = pass.logits(Array(tokens.indices)).flatMap { $0 }
      let theirs = try model.floats("logits.\(length)")
      expectClose(ours, theirs, 2e-4, "\(name), \(length) tokens")
    }
  }

  @discardableResult
  private func checkHidden(
    _ model: FixtureModel, tokens: [Int32], expected: (Int) throws -> [Float]
  ) throws -> DecoderPass {
    let pass = DecoderPass(model.decoder, maximumTokens: tokens.count)
    var seen: [[Float]] = []
    pass.observer = { layer, residual in
      XCTAssertEqual(layer, seen.count)
      seen.append(Array(residual))
    }
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    XCTAssertEqual(seen.count, model.decoder.configuration.layerCount)
    for (layer, values) in seen.enumerated() {
      expectClose(values, try expected(layer), 1e-4, "input of layer \(layer)")
    }
    return pass
  }

  // MARK: Adapters

  func testGradientsOfMistral() throws {
    try checkGradients("mistral", ["q_proj", "k_proj", "v_proj", "o_proj"])
  }

  func testGradientsOfGemma() throws {
    try checkGradients("gemma", ["q_proj", "k_proj", "v_proj", "o_proj"])
  }

  /// One adapter for query, key and value.
  func testGradientsOfPhi3() throws { try checkGradients("phi3", ["qkv_proj", "o_proj"]) }

  private func adapted(_ name: String, _ targets: [String]) throws -> FixtureModel {
    let model = try FixtureModel("families/" + name)
    let adapter = AdapterConfiguration(
      rank: 2, alpha: 4, dropout: 0, targets: targets, extras: [])
    let pairs = try model.tensors.entries.filter { $0.name.hasPrefix("adapter.") }.map {
      AdapterTensor(
        name: String($0.name.dropFirst("adapter.".count)), shape: $0.shape,
        values: try model.floats($0.name))
    }
    XCTAssertEqual(pairs.count, 2 * 3 * targets.count)
    try model.decoder.apply(adapter, tensors: pairs)
    return model
  }

  private func checkGradients(_ name: String, _ targets: [String]) throws {
    let model = try adapted(name, targets)
    try model.decoder.train(layers: 0..<3, extras: [.norm])
    let tokens = try model.tokens("input_ids.24")
    let pass = DecoderPass(model.decoder, maximumTokens: 24, training: true)
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    let loss = pass.backward(Segment.shifted(tokens), scale: 1)
    let expectedLoss = Double(try model.floats("loss")[0])
    XCTAssertEqual(loss, expectedLoss, accuracy: 1e-5 * expectedLoss)
    let trained = model.decoder.parameters.filter(\.isTrained)
    XCTAssertEqual(
      Set(trained.map { "gradient." + $0.name }),
      Set(model.tensors.entries.map(\.name).filter { $0.hasPrefix("gradient.") }))
    for parameter in trained {
      let expected = try model.floats("gradient." + parameter.name)
      let ours = try XCTUnwrap(parameter.gradient).array
      let scale = expected.map(abs).max() ?? 0
      XCTAssertGreaterThan(scale, 1e-3, parameter.name)
      XCTAssertLessThanOrEqual(
        largestDifference(ours, expected), 2e-4 * scale, "\(name) \(parameter.name)")
    }
  }

  /// The merged model has the stored names and computes what the adapter beside the weights did.
  func testMergedExport() throws {
    for (name, targets) in [
      ("phi3", ["qkv_proj", "o_proj"]), ("gemma", ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ] {
      let model = try adapted(name, targets)
      let tokens = try model.tokens("input_ids.24")
      let expected = logits(model.decoder, tokens)
      XCTAssertGreaterThan(largestDifference(expected, try model.floats("logits.24")), 0.1)
      var file = SafetensorsFile()
      for view in try model.decoder.exportedWeights() {
        view.withRows(0..<view.rows) { file.add(view.name, .F32, view.shape, Array($0)) }
      }
      let folder = NSTemporaryDirectory() + "memlong-merged-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try write(file.bytes, to: folder + "/model.safetensors")
      try write(model.configuration.encodedBytes(), to: folder + "/config.json")
      let merged = try ModelFiles.open(path: folder)
      let original = try MappedSafetensors(
        path: fixture("families/\(name)/weights.safetensors"))
      XCTAssertEqual(merged.tensors.mapValues(\.shape), shapes(original))
      let decoder = try Decoder(files: merged, memory: nil, compute: Compute(threads: 2))
      XCTAssertLessThan(largestDifference(logits(decoder, tokens), expected), 1e-4, name)
    }
  }

  private func shapes(_ file: MappedSafetensors) -> [String: [Int]] {
    Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0.shape) })
  }

  private func logits(_ decoder: Decoder, _ tokens: [Int32]) -> [Float] {
    let pass = DecoderPass(decoder, maximumTokens: tokens.count)
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    return pass.logits(Array(tokens.indices)).flatMap { $0 }
  }
}
