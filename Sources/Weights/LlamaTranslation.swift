import Safetensors

/// A llama GGUF in Hugging Face's words: the metadata as a config.json, the tensors under the names
/// of `LlamaForCausalLM`, query and key rows in Hugging Face's order.
///
/// What llama.cpp's converter wrote is undone here; what would change the computation and is not
/// understood (other architectures, experts, unknown tensors) is refused by name.
struct LlamaTranslation {
  private let gguf: GGUFFile
  private let layers: Int
  private let heads: Int
  private let keyValueHeads: Int
  private let headDimension: Int

  init(_ gguf: GGUFFile) throws {
    self.gguf = gguf
    let architecture = gguf.metadata["general.architecture"]?.stringValue ?? "(none)"
    guard architecture == "llama" else {
      throw WeightsError(gguf.path, "architecture \(architecture) is not supported (llama is)")
    }
    let fields = LlamaFields(gguf)
    guard try fields.count("expert_count", default: 0) == 0 else {
      throw WeightsError(gguf.path, "llama.expert_count: mixtures of experts are not supported")
    }
    layers = try fields.positive("block_count")
    heads = try fields.positive("attention.head_count")
    keyValueHeads = try fields.positive("attention.head_count_kv", default: heads)
    let hidden = try fields.positive("embedding_length")
    headDimension = try fields.positive("attention.key_length", default: hidden / heads)
    guard heads % keyValueHeads == 0, headDimension % 2 == 0,
      try fields.positive("attention.value_length", default: headDimension) == headDimension,
      try fields.positive("rope.dimension_count", default: headDimension) == headDimension
    else {
      throw WeightsError(
        gguf.path,
        "\(heads) heads of \(headDimension), \(keyValueHeads) key-value heads: head counts must "
          + "divide, head sizes must be even, equal and rotated whole")
    }
  }

  // MARK: Tensors

  func tensors() throws -> (stored: [String: StoredTensor], refused: [String: String]) {
    var stored: [String: StoredTensor] = [:]
    var refused: [String: String] = [:]
    for entry in gguf.tensors {
      if entry.name == "rope_freqs.weight" {
        try checkRotaryFactors(entry)
        continue
      }
      guard let (name, order) = huggingFaceName(entry.name) else {
        throw WeightsError(gguf.path, "tensor \(entry.name) is not one of the llama architecture")
      }
      if entry.type.storage == nil {
        refused[name] = "\(entry.type)"
        continue
      }
      try checkRows(entry, order)
      stored[name] = try gguf.stored(entry, as: name, order: order)
    }
    return (stored, refused)
  }

  private func huggingFaceName(_ name: String) -> (String, RowOrder)? {
    switch name {
    case "token_embd.weight": return ("model.embed_tokens.weight", .sequential)
    case "output_norm.weight": return ("model.norm.weight", .sequential)
    case "output.weight": return ("lm_head.weight", .sequential)
    default: break
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), "\(layer)" == parts[1],
      (0..<layers).contains(layer), let module = Self.modules[String(parts[2])],
      parts[3] == "weight" || parts[3] == "bias"
    else { return nil }
    let interleaved = parts[2] == "attn_q" || parts[2] == "attn_k"
    return (
      "model.layers.\(layer).\(module).\(parts[3])",
      interleaved ? .interleaved(headDimension: headDimension) : .sequential
    )
  }

  private static let modules = [
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
  ]

  /// Query and key rows must be whole heads before their order can be undone.
  private func checkRows(_ entry: GGUFFile.Tensor, _ order: RowOrder) throws {
    guard order != .sequential else { return }
    let isQuery = entry.name.contains(".attn_q.")
    let (expected, overflow) = (isQuery ? heads : keyValueHeads)
      .multipliedReportingOverflow(by: headDimension)
    guard !overflow, entry.shape.count <= 2, entry.shape.first == expected,
      entry.shape.count == 2 || entry.type.storage?.blockSize == 1
    else {
      throw WeightsError(
        gguf.path,
        "tensor \(entry.name): shape \(entry.shape) is not \(isQuery ? heads : keyValueHeads) heads "
          + "of \(headDimension)")
    }
  }

  /// Per-frequency factors (Llama 3.1) have no field in config.json; all ones are the plain rotation.
  private func checkRotaryFactors(_ entry: GGUFFile.Tensor) throws {
    guard entry.type.storage == .f32, try gguf.tensor(entry.name).floats().allSatisfy({ $0 == 1 })
    else {
      throw WeightsError(
        gguf.path,
        "tensor rope_freqs.weight: rotary frequency factors are not supported in a GGUF; "
          + "use the model's safetensors folder")
    }
  }

  // MARK: Configuration

  func configuration() throws -> JSONValue {
    let fields = LlamaFields(gguf)
    var config: [String: JSONValue] = [
      "architectures": .array([.string("LlamaForCausalLM")]),
      "model_type": .string("llama"),
      "hidden_act": .string("silu"),
      "hidden_size": .integer(Int64(try fields.positive("embedding_length"))),
      "intermediate_size": .integer(Int64(try fields.positive("feed_forward_length"))),
      "num_hidden_layers": .integer(Int64(layers)),
      "num_attention_heads": .integer(Int64(heads)),
      "num_key_value_heads": .integer(Int64(keyValueHeads)),
      "head_dim": .integer(Int64(headDimension)),
      "max_position_embeddings": .integer(Int64(try fields.positive("context_length"))),
      "rms_norm_eps": .number(try fields.number("attention.layer_norm_rms_epsilon")),
      "rope_theta": .number(try fields.number("rope.freq_base", default: 10000)),
      "rope_scaling": try ropeScaling(fields),
      "vocab_size": .integer(Int64(try vocabularySize(fields))),
      "tie_word_embeddings": .bool(gguf.entry("output.weight") == nil),
      "attention_bias": .bool(gguf.entry("blk.0.attn_q.bias") != nil),
      "mlp_bias": .bool(gguf.entry("blk.0.ffn_up.bias") != nil),
    ]
    for token in ["bos", "eos"] {
      config["\(token)_token_id"] =
        (gguf.metadata["tokenizer.ggml.\(token)_token_id"]?.intValue)
        .map { .integer(Int64($0)) } ?? .null
    }
    return .object(config)
  }

  private func vocabularySize(_ fields: LlamaFields) throws -> Int {
    guard let embedding = gguf.entry("token_embd.weight"), embedding.shape.count == 2 else {
      throw WeightsError(gguf.path, "no tensor token_embd.weight of two dimensions")
    }
    let rows = embedding.shape[0]
    let stated = try fields.positive("vocab_size", default: rows)
    guard stated == rows else {
      throw WeightsError(
        gguf.path, "token_embd.weight has \(rows) rows, llama.vocab_size is \(stated)")
    }
    return rows
  }

  private func ropeScaling(_ fields: LlamaFields) throws -> JSONValue {
    let type = try fields.string("rope.scaling.type", default: "none")
    let legacy = try fields.number("rope.scale_linear", default: 1)
    let factor = try fields.number("rope.scaling.factor", default: legacy)
    switch type {
    case "none" where legacy == 1: return .null
    case "linear", "none":
      return .object(["rope_type": .string("linear"), "factor": .number(factor)])
    case "yarn":
      let original = try fields.positive("rope.scaling.original_context_length")
      return .object([
        "rope_type": .string("yarn"), "factor": .number(factor),
        "original_max_position_embeddings": .integer(Int64(original)),
      ])
    default:
      throw WeightsError(gguf.path, "llama.rope.scaling.type \(type) is not supported")
    }
  }
}

/// The `llama.` metadata keys, with type and range checked.
private struct LlamaFields {
  let gguf: GGUFFile

  init(_ gguf: GGUFFile) { self.gguf = gguf }

  /// An integer from 1 to 2^31 − 1, so that products of a few of them cannot surprise.
  func positive(_ key: String, default fallback: Int? = nil) throws -> Int {
    let value = try count(key, default: fallback)
    guard value > 0 else { throw WeightsError(gguf.path, "llama.\(key) is 0") }
    return value
  }

  func count(_ key: String, default fallback: Int? = nil) throws -> Int {
    guard let value = gguf.metadata["llama." + key] else { return try missing(key, fallback) }
    guard let int = value.intValue, (0...Int(Int32.max)).contains(int) else {
      throw WeightsError(gguf.path, "llama.\(key) is not a count")
    }
    return int
  }

  func number(_ key: String, default fallback: Double? = nil) throws -> Double {
    guard let value = gguf.metadata["llama." + key] else { return try missing(key, fallback) }
    guard let number = value.doubleValue, number.isFinite, number > 0 else {
      throw WeightsError(gguf.path, "llama.\(key) is not a positive number")
    }
    return number
  }

  func string(_ key: String, default fallback: String) throws -> String {
    guard let value = gguf.metadata["llama." + key] else { return fallback }
    guard let string = value.stringValue else {
      throw WeightsError(gguf.path, "llama.\(key) is not a string")
    }
    return string
  }

  private func missing<T>(_ key: String, _ fallback: T?) throws -> T {
    guard let fallback else { throw WeightsError(gguf.path, "no metadata key llama.\(key)") }
    return fallback
  }
}
