import Glibc
import Safetensors

extension GGUFTranslation {
  func configuration() throws -> JSONValue {
    let fields = GGUFFields(gguf, architecture)
    try refuseUnknownKeys()
    var config: [String: JSONValue] = [
      "architectures": .array([.string(architecture.className)]),
      "model_type": .string(architecture.rawValue),
      "hidden_size": .integer(Int64(try fields.positive("embedding_length"))),
      "intermediate_size": .integer(Int64(try fields.positive("feed_forward_length"))),
      "num_hidden_layers": .integer(Int64(layers)),
      "num_attention_heads": .integer(Int64(heads)),
      "num_key_value_heads": .integer(Int64(keyValueHeads)),
      "head_dim": .integer(Int64(headDimension)),
      "max_position_embeddings": .integer(Int64(try fields.positive("context_length"))),
      "rms_norm_eps": .number(try fields.number("attention.layer_norm_rms_epsilon")),
      "rope_theta": .number(try fields.number("rope.freq_base", default: 10000)),
      "vocab_size": .integer(Int64(try vocabularySize(fields))),
      "tie_word_embeddings": .bool(gguf.entry("output.weight") == nil),
    ]
    config.merge(try ownConfiguration(fields)) { _, own in own }
    for token in ["bos", "eos"] {
      config["\(token)_token_id"] =
        (gguf.metadata["tokenizer.ggml.\(token)_token_id"]?.intValue)
        .map { .integer(Int64($0)) } ?? .null
    }
    return .object(config)
  }

  private func vocabularySize(_ fields: GGUFFields) throws -> Int {
    guard let embedding = gguf.entry("token_embd.weight"), embedding.shape.count == 2 else {
      throw WeightsError(gguf.path, "no tensor token_embd.weight of two dimensions")
    }
    let rows = embedding.shape[0]
    let stated = try fields.positive("vocab_size", default: rows)
    guard stated == rows else {
      throw WeightsError(
        gguf.path,
        "token_embd.weight has \(rows) rows, \(architecture.rawValue).vocab_size is \(stated)")
    }
    return rows
  }

  /// The fields that only this architecture has, or has otherwise.
  private func ownConfiguration(_ fields: GGUFFields) throws -> [String: JSONValue] {
    switch architecture {
    case .llama:
      let window = try fields.count("attention.sliding_window", default: 0)
      let own: [String: JSONValue] = [
        "hidden_act": .string("silu"), "rope_scaling": try ropeScaling(fields),
        "attention_bias": .bool(gguf.entry("blk.0.attn_q.bias") != nil),
        "mlp_bias": .bool(gguf.entry("blk.0.ffn_up.bias") != nil),
      ]
      guard window > 0 else { return own }
      return own.merging([
        "architectures": .array([.string("MistralForCausalLM")]), "model_type": .string("mistral"),
        "sliding_window": .integer(Int64(window)),
      ]) { _, mistral in mistral }
    case .qwen2:
      return ["hidden_act": .string("silu"), "rope_scaling": try ropeScaling(fields)]
    case .gemma:
      return [
        "hidden_act": .string("gelu_pytorch_tanh"),
        "hidden_activation": .string("gelu_pytorch_tanh"), "rope_scaling": try ropeScaling(fields),
      ]
    case .phi3:
      let window = try fields.count("attention.sliding_window", default: 0)
      let original = try fields.positive(
        "rope.scaling.original_context_length", default: try fields.positive("context_length"))
      return [
        "hidden_act": .string("silu"), "rope_scaling": try longScaling(fields, original: original),
        "original_max_position_embeddings": .integer(Int64(original)),
        "sliding_window": window == 0 ? .null : .integer(Int64(window)),
      ]
    }
  }

  /// Phi-3's factors, which the file holds as tensors.
  private func longScaling(_ fields: GGUFFields, original: Int) throws -> JSONValue {
    let factors = try architecture.rotaryFactors.filter { gguf.entry($0) != nil }.map { name in
      let tensor = try gguf.tensor(name)
      guard tensor.shape == [headDimension / 2], tensor.storage == .f32 else {
        throw WeightsError(gguf.path, "tensor \(name) is not \(headDimension / 2) F32 factors")
      }
      return JSONValue.array(tensor.floats().map { .number(Double($0)) })
    }
    guard ["none", "longrope"].contains(try fields.string("rope.scaling.type", default: "none")),
      try fields.number("rope.scaling.factor", default: 1) == 1
    else {
      throw WeightsError(gguf.path, "phi3.rope.scaling.type and .factor are not supported")
    }
    guard !factors.isEmpty else { return .null }
    guard factors.count == 2 else {
      throw WeightsError(gguf.path, "one of \(architecture.rotaryFactors) is missing")
    }
    let stretch = Double(try fields.positive("context_length")) / Double(original)
    let expected = stretch <= 1 ? 1 : (1 + log(stretch) / log(Double(original))).squareRoot()
    let stated = try fields.number("rope.scaling.attn_factor", default: expected)
    guard abs(stated - expected) < 1e-4 else {
      throw WeightsError(
        gguf.path, "phi3.rope.scaling.attn_factor \(stated) is not supported (\(expected) is)")
    }
    return .object([
      "type": .string("longrope"), "long_factor": factors[0], "short_factor": factors[1],
    ])
  }

  private func ropeScaling(_ fields: GGUFFields) throws -> JSONValue {
    let legacy = try fields.number("rope.scale_linear", default: 1)
    let factor = try fields.number("rope.scaling.factor", default: legacy)
    // llama.cpp takes a file that names no type for a linear one.
    switch try fields.string("rope.scaling.type", default: "linear") {
    case "none": return .null
    case "linear": return factor == 1 ? .null : ["rope_type": "linear", "factor": .number(factor)]
    case "yarn": return .object(try yarn(fields, factor: factor))
    case let type:
      throw WeightsError(
        gguf.path, "\(architecture.rawValue).rope.scaling.type \(type) is not supported")
    }
  }

  private func yarn(_ fields: GGUFFields, factor: Double) throws -> [String: JSONValue] {
    let context = try fields.positive("context_length")
    let original = try fields.positive("rope.scaling.original_context_length", default: context)
    var scaling: [String: JSONValue] = [
      "rope_type": "yarn", "factor": .number(factor),
      "original_max_position_embeddings": .integer(Int64(original)),
    ]
    for side in ["beta_fast", "beta_slow"] where fields.has("rope.scaling.yarn_" + side) {
      scaling[side] = .number(try fields.number("rope.scaling.yarn_" + side))
    }
    return scaling
  }
}
