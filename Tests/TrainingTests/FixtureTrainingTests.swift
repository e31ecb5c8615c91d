import Foundation
import Modeling
import Safetensors
import TestSupport
import Training
import Weights
import XCTest

/// Three AdamW steps against PyTorch and PEFT running the published code.
final class FixtureTrainingTests: XCTestCase {
  func testLoRAAll() throws { try check("train-lora-all", mode: .loraAll) }

  func testLoRAFreeze() throws { try check("train-lora-freeze", mode: .loraFreeze) }

  private func check(_ name: String, mode: TrainingMode) throws {
    let run = try TrainingFixture(name, mode: mode)
    let trained = Set(run.optimizer.parameters.map(\.name))
    XCTAssertEqual(trained, run.expectedTrained())
    var chunks: [MemoryChunk] = []
    for step in 0..<3 {
      let loss = try run.forwardBackward(step: step, chunks: &chunks)
      XCTAssertEqual(loss, Double(try run.floats("step\(step).loss")[0]), accuracy: 1e-5)
      if step < 2 { try checkAndReplaceGradients(run, step: step) }
      let norm = run.optimizer.step(learningRate: 1e-3)
      XCTAssertEqual(norm, run.gradientNorm(step: step), accuracy: 1e-4 * norm)
    }
    try checkParameters(run)
  }

  /// Puts PyTorch's gradients in the place of ours, once compared: Adam's first steps are signs, so
  /// where |gradient| ≈ 0 the last bit of a matrix product would decide the rest of the run.
  private func checkAndReplaceGradients(_ run: TrainingFixture, step: Int) throws {
    for parameter in run.optimizer.parameters {
      let expected = try run.floats("step\(step).grad." + TrainingFixture.peftName(parameter.name))
      let gradient = try XCTUnwrap(parameter.gradient)
      let ours = gradient.array
      let scale = expected.map(abs).max() ?? 0
      let difference = zip(ours, expected).map { abs($0 - $1) }.max() ?? .infinity
      XCTAssertLessThanOrEqual(difference, 5e-4 * scale, "step \(step) \(parameter.name)")
      for (index, value) in expected.enumerated() { gradient.pointer[index] = value }
    }
  }

  /// Adam's step is a sign where |gradient| ≈ 0, so a few elements may differ by a step's length.
  private func checkParameters(_ run: TrainingFixture) throws {
    for parameter in run.optimizer.parameters {
      let expected = try run.floats("final." + TrainingFixture.peftName(parameter.name))
      let differences = zip(parameter.value.array, expected).map { abs($0 - $1) }
      XCTAssertLessThanOrEqual(differences.filter { $0 > 2e-5 }.count, 10, parameter.name)
      XCTAssertLessThanOrEqual(differences.max() ?? .infinity, 3e-3, parameter.name)
    }
  }
}

/// A decoder with the fixture's first adapter, ready to train.
private struct TrainingFixture {
  let decoder: Decoder
  let pass: DecoderPass
  let optimizer: Optimizer
  let tensors: MappedSafetensors
  let facts: JSONValue

  init(_ name: String, mode: TrainingMode) throws {
    func json(_ path: String) throws -> JSONValue {
      try JSONValue(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: fixture(path)))))
    }
    let folder = try modelFolder(configuration: name, weights: ["memlong-zero"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try ModelFiles.open(path: folder)
    let memory = try MemoryConfiguration(published: files.configuration)
    decoder = try Decoder(files: files, memory: memory, compute: Compute(threads: 2))
    facts = try json("\(name)/case.json")
    tensors = try MappedSafetensors(path: fixture("\(name)/tensors.safetensors"))
    let adapter = try AdapterConfiguration(
      peft: try LoRAConfiguration(
        try json("\(name)/adapter_init/adapter_config.json"), path: name))
    let stored = try MappedSafetensors(
      path: fixture("\(name)/adapter_init/adapter_model.safetensors"))
    try decoder.apply(
      adapter,
      tensors: try stored.entries.map {
        AdapterTensor(
          name: String($0.name.dropFirst(Adapter.prefix.count)), shape: $0.shape,
          values: try stored.tensor($0.name).floats())
      })
    try decoder.train(
      layers: mode.trainedLayers(
        memoryLayer: memory.memoryLayer, layerCount: decoder.configuration.layerCount),
      extras: adapter.extras)
    pass = DecoderPass(decoder, maximumTokens: 64, training: true)
    optimizer = Optimizer(
      decoder.parameters, options: .init(weightDecay: 1e-4, clip: 1),
      workers: decoder.compute.workers)
  }

  static func peftName(_ name: String) -> String {
    var parts = (Adapter.prefix + name).split(separator: ".").map(String.init)
    let isLoRA = name.contains("lora_")
    parts.insert(
      contentsOf: isLoRA ? ["default"] : ["modules_to_save", "default"], at: parts.count - 1)
    return parts.joined(separator: ".")
  }

  func floats(_ name: String) throws -> [Float] { try tensors.tensor(name).floats() }

  func expectedTrained() -> Set<String> {
    let names = facts["trainable"]?.arrayValue?.compactMap(\.stringValue) ?? []
    return Set(
      names.map {
        $0.dropFirst(Adapter.prefix.count).split(separator: ".")
          .filter { !["default", "modules_to_save"].contains($0) }.joined(separator: ".")
      })
  }

  func gradientNorm(step: Int) -> Double {
    facts["steps"]?.arrayValue?[step]["grad_norm_before_clip"]?.doubleValue ?? .nan
  }

  func integers(_ name: String) throws -> [Int] {
    guard let entry = tensors.entry(name) else { return [] }
    let bytes = try tensors.bytes(entry)
    return (0..<bytes.count / 8).map {
      Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
    }
  }

  func forwardBackward(step: Int, chunks: inout [MemoryChunk]) throws -> Double {
    let tokens = try integers("step\(step).input_ids").map(Int32.init)
    let retrieved = try integers("step\(step).retrieved_indices")
    let current = chunks
    let segment = Segment(
      tokens: tokens, targets: Segment.shifted(tokens),
      blocks: [.init(queries: 0..<tokens.count, chunks: retrieved.map { current[$0] })])
    pass.forward(segment)
    let scored = tokens.count - 1
    let loss = pass.backward(segment.targets, scale: 1 / Float(scored))
    chunks += stride(from: 0, to: tokens.count, by: 16).map { pass.memoryChunk($0..<$0 + 16) }
    return loss / Double(scored)
  }
}
