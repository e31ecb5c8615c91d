import Safetensors
import TestSupport
import Weights
import XCTest

/// GGUFs of other architectures than llama: what their converter changed is changed back, and only that.
final class GGUFArchitectureTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  private func open(_ builder: GGUFBuilder) throws -> ModelFiles {
    try ModelFiles.open(path: scratch.write("tiny.gguf", builder.bytes))
  }

  func testQwen2() throws {
    let model = try open(.tiny("qwen2"))
    XCTAssertEqual(model.configuration["model_type"], "qwen2")
    XCTAssertEqual(model.configuration["architectures"], ["Qwen2ForCausalLM"])
    XCTAssertEqual(model.configuration["rope_theta"], .number(50000))
    XCTAssertNil(model.configuration["attention_bias"])
    for name in ["q_proj.weight", "q_proj.bias", "k_proj.weight"] {
      let tensor = try model.tensor("model.layers.1.self_attn." + name)
      XCTAssertEqual(tensor.floats(), (0..<tensor.count).map { 1000 + Float($0) }, name)
    }
  }

  func testGemma() throws {
    var builder = GGUFBuilder.tiny("gemma", without: ["_q.bias", "_k.bias", "_v.bias", "output.w"])
    builder.set("gemma.attention.key_length", UInt32(4))
    let model = try open(builder)
    XCTAssertEqual(model.configuration["model_type"], "gemma")
    XCTAssertEqual(model.configuration["hidden_activation"], "gelu_pytorch_tanh")
    XCTAssertEqual(model.configuration["tie_word_embeddings"], true)
    for name in ["model.norm", "model.layers.0.input_layernorm"] {
      XCTAssertEqual(
        try model.tensor(name + ".weight").floats(), (0..<8).map { Float($0) - 1 }, name)
    }
    let key = try model.tensor("model.layers.0.self_attn.k_proj.weight")
    XCTAssertEqual(key.floats(), (0..<key.count).map(Float.init))
  }

  private func phi3(_ change: (inout GGUFBuilder) -> Void = { _ in }) throws -> ModelFiles {
    var builder = GGUFBuilder.tiny(
      "phi3", without: ["attn_q", "attn_k", "attn_v", "ffn_gate", "_up"])
    for layer in 0..<2 {
      builder.addIndexed("blk.\(layer).attn_qkv.weight", [8, 16])
      builder.addIndexed("blk.\(layer).ffn_up.weight", [8, 24])
    }
    builder.set("phi3.rope.scaling.original_context_length", UInt32(16))
    builder.set("phi3.rope.scaling.attn_factor", Float(1.224_744_9))
    builder.set("phi3.attention.sliding_window", UInt32(7))
    change(&builder)
    return try open(builder)
  }

  func testPhi3() throws {
    let model = try phi3 {
      $0.add("rope_factors_long.weight", [2], floats: [2, 4])
      $0.add("rope_factors_short.weight", [2], floats: [1, 1.5])
    }
    let config = model.configuration
    XCTAssertEqual(
      config["rope_scaling"],
      ["type": "longrope", "long_factor": [2.0, 4.0], "short_factor": [1.0, 1.5]])
    XCTAssertEqual(config["original_max_position_embeddings"], 16)
    XCTAssertEqual(config["max_position_embeddings"], 64)
    XCTAssertEqual(config["sliding_window"], 7)
    let fused = try model.tensor("model.layers.1.self_attn.qkv_proj.weight", shape: [16, 8])
    XCTAssertEqual(fused.floats(), (0..<128).map(Float.init))
    XCTAssertNoThrow(try model.tensor("model.layers.0.mlp.gate_up_proj.weight", shape: [24, 8]))
    XCTAssertEqual(try phi3().configuration["rope_scaling"], .null)
  }

  func testPhi3Refusals() {
    let faults: [(String, (inout GGUFBuilder) -> Void)] = [
      ("is missing", { $0.add("rope_factors_long.weight", [2], floats: [2, 4]) }),
      (
        "tensor rope_factors_long.weight is not 2 F32 factors",
        { $0.add("rope_factors_long.weight", [3], floats: [2, 4, 5]) }
      ),
      (
        "attn_factor",
        { builder in
          builder.metadata.removeAll { $0.key.hasSuffix("attn_factor") }
          builder.set("phi3.rope.scaling.attn_factor", Float(1.5))
          builder.add("rope_factors_long.weight", [2], floats: [2, 4])
          builder.add("rope_factors_short.weight", [2], floats: [1, 1])
        }
      ),
      ("blk.0.attn_q.weight is not one", { $0.addIndexed("blk.0.attn_q.weight", [8, 8]) }),
    ]
    for (expected, spoil) in faults { assertContains(failure { try phi3(spoil) }, expected) }
  }

  /// Mistral's files are llama's, and may name the window.
  func testMistral() throws {
    var builder = GGUFBuilder.tinyLlama()
    builder.set("llama.attention.sliding_window", UInt32(16))
    let config = try open(builder).configuration
    XCTAssertEqual(config["model_type"], "mistral")
    XCTAssertEqual(config["sliding_window"], 16)
  }
}

extension GGUFBuilder {
  /// The tiny llama under another architecture's name.
  fileprivate static func tiny(_ name: String, without parts: [String] = []) -> GGUFBuilder {
    var builder = tinyLlama(architecture: name)
    for index in builder.metadata.indices where builder.metadata[index].key.hasPrefix("llama.") {
      builder.metadata[index].key = name + "." + builder.metadata[index].key.dropFirst(6)
    }
    builder.tensors.removeAll { tensor in parts.contains { tensor.name.contains($0) } }
    return builder
  }
}
