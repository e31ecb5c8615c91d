import Modeling
import Safetensors
import XCTest

/// What config.json may say, and what is refused because it would compute something else.
final class FamilyConfigurationTests: XCTestCase {
  private func configuration(_ fields: [String: JSONValue]) throws -> LlamaConfiguration {
    let usual: [String: JSONValue] = [
      "model_type": "llama", "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48,
      "num_hidden_layers": 4, "num_attention_heads": 16,
    ]
    return try LlamaConfiguration(huggingFace: .object(usual.merging(fields) { $1 }))
  }

  func testDefaultsOfFamilies() throws {
    let mistral = try configuration(["model_type": "mistral"])
    XCTAssertEqual(mistral.slidingWindow, 4096)
    XCTAssertEqual(mistral.keyValueHeads, 8)
    XCTAssertNil(
      try configuration(["model_type": "mistral", "sliding_window": .null]).slidingWindow)
    let qwen = try configuration(["model_type": "qwen2", "sliding_window": 64])
    XCTAssertNil(qwen.slidingWindow)
    XCTAssertEqual([qwen.attentionBias, qwen.outputBias, qwen.mlpBias], [true, false, false])
    XCTAssertFalse(qwen.tiedEmbeddings)
    let windowed = try configuration([
      "model_type": "qwen2", "sliding_window": 64, "use_sliding_window": true,
      "max_window_layers": 3,
    ])
    XCTAssertEqual((0..<4).map { windowed.window(layer: $0) }, [nil, nil, nil, 64])
    let gemma = try configuration(["model_type": "gemma", "head_dim": 8, "hidden_act": "gelu"])
    XCTAssertEqual(gemma.activation, .tanhGELU)
    XCTAssertTrue(gemma.tiedEmbeddings)
    XCTAssertEqual(gemma.queryWidth, 128)
    XCTAssertEqual(gemma.embeddingScale, Float(32).squareRoot())
    XCTAssertEqual(try configuration(["hidden_act": "gelu"]).activation, .gelu)
    let phi = try configuration(["model_type": "phi3"])
    XCTAssertEqual(phi.normEpsilon, 1e-5)
    XCTAssertNil(phi.slidingWindow)
  }

  /// Fields that say nothing new are no reason to refuse.
  func testHarmlessFields() throws {
    XCTAssertNoThrow(
      try configuration([
        "partial_rotary_factor": 1.0, "attention_bias": false, "quantization_config": .null,
        "num_experts": 0, "sliding_window": .null, "use_cache": true, "pretraining_tp": 1,
        "layer_types": ["full_attention", "full_attention", "full_attention", "full_attention"],
      ]))
  }

  func testRefusals() throws {
    let long: JSONValue = ["type": "longrope", "short_factor": [1], "long_factor": [1, 2]]
    let cases: [([String: JSONValue], String)] = [
      (["model_type": "gemma2"], "model_type \"gemma2\" is not supported"),
      (["hidden_act": "relu"], "hidden_act \"relu\" is not supported"),
      (["model_type": "gemma", "hidden_activation": "relu"], "hidden_activation \"relu\""),
      (["attn_logit_softcapping": 50.0], "attn_logit_softcapping 50"),
      (["attention_logit_softcapping": 50.0], "attention_logit_softcapping 50"),
      (["final_logit_softcapping": 30.0], "final_logit_softcapping 30"),
      (["query_pre_attn_scalar": 256], "query_pre_attn_scalar 256"),
      (["model_type": "phi3", "partial_rotary_factor": 0.5], "partial_rotary_factor 0.5"),
      (["num_experts": 8], "num_experts 8 is not supported"),
      (["num_local_experts": 8], "num_local_experts 8"),
      (["quantization_config": ["bits": 4]], "quantization_config {"),
      (["rope_parameters": ["rope_theta": 1]], "rope_parameters {"),
      (["sliding_window": 64], "sliding_window 64 is not supported"),
      (["model_type": "mistral", "attention_bias": true], "attention_bias true"),
      (["model_type": "qwen2", "mlp_bias": true], "mlp_bias true"),
      (["lm_head_bias": true], "lm_head_bias true"),
      (["layer_types": ["full_attention"]], "layer_types"),
      (["model_type": "mistral", "sliding_window": 0], "sliding_window is 0, not in 1"),
      (["model_type": "mistral", "sliding_window": "all"], "sliding_window is missing or not"),
      (["rope_scaling": ["type": "su"]], "rope_scaling type \"su\" is not supported"),
      (["rope_scaling": ["type": "linear", "factor": 2, "mscale": 1]], "rope_scaling has mscale"),
      (["model_type": "phi3", "rope_scaling": ["type": "linear", "factor": 2]], "with phi3"),
      (["model_type": "phi3", "rope_scaling": long], "not a list of 1 positive numbers"),
    ]
    for (fields, expected) in cases {
      XCTAssertThrowsError(try configuration(fields), expected) {
        XCTAssert("\($0)".contains(expected), "\($0) does not say \(expected)")
      }
    }
  }

  func testTargetsOfFusedModules() throws {
    func fitted(_ targets: [String], _ family: String) throws -> [String] {
      try AdapterConfiguration(rank: 1, alpha: 1, dropout: 0, targets: targets, extras: [])
        .fitted(to: try configuration(["model_type": .string(family)])).targets
    }
    let usual = ["q_proj", "k_proj", "v_proj", "o_proj"]
    XCTAssertEqual(try fitted(usual, "llama"), usual)
    XCTAssertEqual(try fitted(usual, "phi3"), ["qkv_proj", "o_proj"])
    XCTAssertEqual(
      try fitted(["gate_proj", "up_proj", "down_proj"], "phi3"), ["gate_up_proj", "down_proj"])
    XCTAssertEqual(try fitted(["qkv_proj"], "phi3"), ["qkv_proj"])
    XCTAssertThrowsError(try fitted(["q_proj", "v_proj"], "phi3")) {
      XCTAssertEqual(
        "\($0)",
        "adapter: phi3 holds q_proj, k_proj, v_proj in one qkv_proj: adapt all of them or none")
    }
    XCTAssertThrowsError(try fitted(["qkv_proj"], "llama")) {
      XCTAssertEqual("\($0)", "adapter: llama has q_proj, k_proj, v_proj, no qkv_proj")
    }
  }
}
