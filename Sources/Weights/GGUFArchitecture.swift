/// What llama.cpp's converter makes of one architecture (`general.architecture`).
enum GGUFArchitecture: String, CaseIterable {
  case llama, qwen2, phi3, gemma

  /// The Hugging Face class.
  var className: String {
    switch self {
    case .llama: return "LlamaForCausalLM"
    case .qwen2: return "Qwen2ForCausalLM"
    case .phi3: return "Phi3ForCausalLM"
    case .gemma: return "GemmaForCausalLM"
    }
  }

  /// Whether query and key rows lie in the order of rotary pairs (2r, 2r+1).
  var interleavesRotaryRows: Bool { self == .llama }

  /// Whether a norm's weight is stored one larger than in Hugging Face's files.
  var addsOneToNorms: Bool { self == .gemma }

  /// Tensors of rotary factors, which belong to the configuration: long, then short.
  var rotaryFactors: [String] {
    self == .phi3 ? ["rope_factors_long.weight", "rope_factors_short.weight"] : []
  }

  /// A layer's modules by their names in the file.
  var modules: [String: String] {
    let shared = [
      "attn_norm": "input_layernorm", "attn_output": "self_attn.o_proj",
      "ffn_norm": "post_attention_layernorm", "ffn_down": "mlp.down_proj",
    ]
    let own =
      self == .phi3
      ? ["attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"]
      : [
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
      ]
    return shared.merging(own) { first, _ in first }
  }
}

/// The metadata keys of one architecture, with type and range checked.
struct GGUFFields {
  let gguf: GGUFFile
  private let prefix: String

  init(_ gguf: GGUFFile, _ architecture: GGUFArchitecture) {
    self.gguf = gguf
    prefix = architecture.rawValue + "."
  }

  func has(_ key: String) -> Bool { gguf.metadata[prefix + key] != nil }

  /// An integer from 1 to 2^31 − 1, so that products of a few of them cannot surprise.
  func positive(_ key: String, default fallback: Int? = nil) throws -> Int {
    let value = try count(key, default: fallback)
    guard value > 0 else { throw WeightsError(gguf.path, "\(prefix)\(key) is 0") }
    return value
  }

  func count(_ key: String, default fallback: Int? = nil) throws -> Int {
    guard let value = gguf.metadata[prefix + key] else { return try missing(key, fallback) }
    guard let int = value.intValue, (0...Int(Int32.max)).contains(int) else {
      throw WeightsError(gguf.path, "\(prefix)\(key) is not a count")
    }
    return int
  }

  func number(_ key: String, default fallback: Double? = nil) throws -> Double {
    guard let value = gguf.metadata[prefix + key] else { return try missing(key, fallback) }
    guard let number = value.doubleValue, number.isFinite, number > 0 else {
      throw WeightsError(gguf.path, "\(prefix)\(key) is not a positive number")
    }
    return number
  }

  func string(_ key: String, default fallback: String) throws -> String {
    guard let value = gguf.metadata[prefix + key] else { return fallback }
    guard let string = value.stringValue else {
      throw WeightsError(gguf.path, "\(prefix)\(key) is not a string")
    }
    return string
  }

  private func missing<T>(_ key: String, _ fallback: T?) throws -> T {
    guard let fallback else { throw WeightsError(gguf.path, "no metadata key \(prefix)\(key)") }
    return fallback
  }
}
