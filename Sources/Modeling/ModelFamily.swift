import Kernels

/// Decoders that differ from Llama in parts, by `model_type` in config.json.
public enum ModelFamily: String, Sendable, CaseIterable {
  case llama, mistral, qwen2, phi3, gemma

  /// What `tie_word_embeddings` means where it is absent.
  var tiesEmbeddings: Bool { self == .gemma }

  /// What `rms_norm_eps` means where it is absent.
  var normEpsilon: Double { self == .phi3 ? 1e-5 : 1e-6 }

  /// What `max_position_embeddings` means where it is absent.
  var maximumPositions: Int {
    switch self {
    case .llama: return 2048
    case .mistral: return 131_072
    case .qwen2: return 32768
    case .phi3: return 4096
    case .gemma: return 8192
    }
  }

  /// Key/value heads where `num_key_value_heads` is absent; null stands for all.
  func keyValueHeads(queryHeads: Int) -> Int {
    switch self {
    case .llama, .phi3: return queryHeads
    case .mistral: return min(8, queryHeads)
    case .qwen2: return min(32, queryHeads)
    case .gemma: return min(16, queryHeads)
    }
  }

  /// What `head_dim` means where it is absent; nil: as many as the heads divide the width into.
  var headSize: Int? { self == .gemma ? 256 : nil }

  /// What `pad_token_id` means where it is absent; null is none.
  var paddingToken: Int? {
    switch self {
    case .llama, .mistral, .qwen2: return nil
    case .phi3: return 32000
    case .gemma: return 0
    }
  }

  /// Whether one tensor holds query, key and value side by side, and another gate and up.
  var fusesProjections: Bool { self == .phi3 }

  /// What is added to a norm's stored weight.
  var normOffset: Float { self == .gemma ? 1 : 0 }

  /// The attention window, and the first layer that has one.
  func window(_ fields: ConfigurationFields) throws -> (tokens: Int, first: Int)? {
    let sizes = 1...(1 << 30)
    switch self {
    case .llama, .gemma:
      try fields.refuse(["sliding_window": nil])
      return nil
    case .mistral:
      // Absent, it is 4096; null is none.
      guard fields.json["sliding_window"] != .null else { return nil }
      return (try fields.integer("sliding_window", in: sizes, default: 4096), 0)
    case .phi3:
      guard fields.has("sliding_window") else { return nil }
      return (try fields.integer("sliding_window", in: sizes), 0)
    case .qwen2:
      guard try fields.boolean("use_sliding_window", default: false),
        fields.json["sliding_window"] != .null
      else { return nil }
      return (
        try fields.integer("sliding_window", in: sizes, default: 4096),
        try fields.integer("max_window_layers", in: 0...1024, default: 28)
      )
    }
  }

  /// The activation of the MLP's gate.
  func activation(_ fields: ConfigurationFields) throws -> GateActivation {
    let names: [String: GateActivation] = [
      "silu": .silu, "gelu": .gelu, "gelu_pytorch_tanh": .tanhGELU,
    ]
    // Gemma's first files say gelu in `hidden_act` and mean the tanh form; `hidden_activation` counts,
    // and null is the tanh form too.
    if self == .gemma {
      let meant = ["gelu", "gelu_pytorch_tanh"]
      try fields.require("hidden_act", among: meant, default: meant[0])
    }
    let field = self == .gemma ? "hidden_activation" : "hidden_act"
    let name = self == .gemma ? "gelu_pytorch_tanh" : "silu"
    try fields.require(field, among: names.keys.sorted(), default: name)
    return names[fields.string(field) ?? name] ?? .silu
  }

  /// Whether query, key and value have biases, whether the output has one, whether the MLP does.
  func biases(_ fields: ConfigurationFields) throws -> (attention: Bool, output: Bool, mlp: Bool) {
    switch self {
    case .llama, .gemma:
      let attention = try fields.boolean("attention_bias", default: false)
      if self == .gemma { try fields.refuse(["mlp_bias": nil]) }
      return (attention, attention, try fields.boolean("mlp_bias", default: false))
    case .mistral, .phi3:
      try fields.refuse(["attention_bias": nil, "mlp_bias": nil])
      return (false, false, false)
    case .qwen2:
      try fields.refuse(["mlp_bias": nil])
      return (true, false, false)
    }
  }
}
