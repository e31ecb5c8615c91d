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
        "something_new": false, "another": [], "mem_layer": 2, "temperature": 0.5,
        "dtype": "bfloat16",
        "layer_types": ["full_attention", "full_attention", "full_attention", "full_attention"],
      ]))
  }

  private func rotation(_ fields: [String: JSONValue]) throws -> RotaryConfiguration {
    try configuration(["max_position_embeddings": 64, "head_dim": 32].merging(fields) { $1 }).rope
  }

  func testRotations() throws {
    XCTAssertEqual(try rotation(["rope_parameters": ["rope_theta": 50.0]]).theta, 50)
    let kinds: JSONValue = ["rope_theta": 70.0, "rope_type": "linear", "factor": 2]
    let each = try rotation([
      "rope_parameters": ["full_attention": kinds, "sliding_attention": kinds]
    ])
    XCTAssertEqual(each.theta, 70)
    XCTAssertEqual(each.scaling, .linear(factor: 2))
    func yarn(_ fields: [String: JSONValue]) throws -> RotaryConfiguration {
      let usual: [String: JSONValue] = ["rope_type": "yarn", "factor": 4]
      return try rotation(["rope_scaling": .object(usual.merging(fields) { $1 })])
    }
    let plain = try yarn([:])
    let original = try yarn(["original_max_position_embeddings": 16])
    let (long, short) = (
      plain.inverseFrequencies(length: 64), original.inverseFrequencies(length: 64)
    )
    XCTAssertNotEqual(long, short)
    XCTAssertEqual(
      try rotation([
        "original_max_position_embeddings": 16, "rope_scaling": ["rope_type": "yarn", "factor": 4],
      ]), original)
    XCTAssertEqual(try yarn(["factor": .null, "original_max_position_embeddings": 16]), original)
    XCTAssertNotEqual(
      try yarn(["truncate": false]).inverseFrequencies(length: 64), long)
    XCTAssertEqual(try yarn(["factor": 0.5]).attentionScaling, 1)
    let ratio = try yarn(["mscale": 2, "mscale_all_dim": 1]).attentionScaling
    XCTAssertEqual(ratio, 1.277_259_3 / 1.138_629_4, accuracy: 1e-6)
  }

  /// What transformers takes where a field is absent.
  func testAbsentFields() throws {
    XCTAssertEqual(try configuration(["model_type": "gemma"]).headSize, 256)
    XCTAssertEqual(try configuration(["model_type": "gemma"]).paddingToken, 0)
    XCTAssertEqual(try configuration(["model_type": "phi3"]).paddingToken, 32000)
    XCTAssertNil(try configuration(["model_type": "phi3", "pad_token_id": .null]).paddingToken)
    XCTAssertEqual(try configuration(["pad_token_id": -1]).paddingToken, 99)
    let wide: JSONValue = 64
    XCTAssertEqual(
      try configuration([
        "model_type": "qwen2", "num_attention_heads": wide, "hidden_size": 128,
      ]).keyValueHeads, 32)
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
      (
        ["rope_parameters": ["rope_theta": 10.0], "rope_theta": 20.0],
        "rope_theta is 20.0, in rope_parameters 10.0"
      ),
      (
        ["rope_parameters": ["rope_theta": 10.0], "rope_scaling": ["rope_type": "default"]],
        "rope_scaling and rope_parameters are both given"
      ),
      (
        ["rope_parameters": ["full_attention": ["rope_theta": 1], "sliding_attention": .null]],
        "rope_parameters that differ by layer"
      ),
      (["rope_parameters": ["rope_type": "axial"]], "rope_parameters type \"axial\""),
      (["rope_parameters": ["partial_rotary_factor": 0.5]], "partial_rotary_factor 0.5"),
      (["rope_parameters": ["mrope_section": [1]]], "rope_parameters has mrope_section"),
      (
        [
          "original_max_position_embeddings": 8,
          "rope_scaling": [
            "rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 16,
          ],
        ], "original_max_position_embeddings is 8, in rope_scaling 16"
      ),
      (["attention_chunk_size": 64], "attention_chunk_size 64 is not supported"),
      (["per_layer_config": ["0": ["head_dim": 4]]], "per_layer_config {"),
      (["something_new": 1], "something_new 1 is not supported"),
      (["is_causal": false], "is_causal false is not supported"),
      (["model_type": "gemma", "hidden_act": "silu"], "hidden_act \"silu\" is not supported"),
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
