extension GGUFTranslation {
  /// Refuses a metadata key that may change what the model computes and is read by nothing here
  /// (llama.cpp's `gguf` 0.19, and the programs that add keys of their own).
  ///
  /// - Throws: `WeightsError` naming the key and its value.
  func refuseUnknownKeys() throws {
    let prefix = architecture.rawValue + "."
    for (key, value) in gguf.metadata.sorted(by: { $0.key < $1.key }) {
      let isKnown =
        key.hasPrefix(prefix)
        ? isKnown(String(key.dropFirst(prefix.count)), value)
        : Self.descriptions.contains { key.hasPrefix($0) } && (key != "split.count" || isOne(value))
      guard isKnown else {
        throw WeightsError(gguf.path, "\(key) \(value.summary) is not supported")
      }
    }
  }

  /// What describes the file, and the tokenizer, which has a reader of its own.
  private static let descriptions = [
    "general.", "imatrix.", "mradermacher.", "quantize.", "split.", "tokenizer.",
  ]

  private func isOne(_ value: GGUFValue) -> Bool { (value.intValue ?? 0) <= 1 }

  private func isKnown(_ key: String, _ value: GGUFValue) -> Bool {
    if Self.read.contains(key) || Self.harmless.contains(key) { return true }
    switch (architecture, key) {
    case (.llama, "attention.sliding_window"), (.phi3, "attention.sliding_window"),
      (.phi3, "rope.scaling.attn_factor"):
      return true
    default: break
    }
    switch value {
    case .bool(let flag): return flag == (key == "attention.causal")
    case .integer(let number): return Self.neutral[key, default: 0] == Double(number)
    case .float(let number): return Self.neutral[key, default: 0] == number
    case .bools(let list): return !list.contains(true)
    default: return false
    }
  }

  /// What `GGUFTranslation` reads of every architecture.
  private static let read: Set = [
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.layer_norm_rms_epsilon", "attention.value_length", "block_count", "context_length",
    "embedding_length", "expert_count", "feed_forward_length", "rope.dimension_count",
    "rope.freq_base", "rope.scale_linear", "rope.scaling.factor",
    "rope.scaling.original_context_length", "rope.scaling.type", "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow", "vocab_size",
  ]

  /// How the converter got the tensors; the other kind of norm's epsilon.
  private static let harmless: Set = [
    "attention.layer_norm_epsilon", "rope.scaling.finetuned", "tensor_data_layout",
  ]

  /// The number that changes nothing, where it is not 0.
  private static let neutral: [String: Double] = [
    "embedding_scale": 1, "logit_scale": 1, "residual_scale": 1, "rope.scaling.attn_factor": 1,
    "rope.scaling.yarn_attn_factor": 1, "rope.scaling.yarn_ext_factor": 1,
  ]
}

extension GGUFValue {
  /// For a message: a number, a flag or a string; of an array that it is one.
  fileprivate var summary: String {
    switch self {
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .unsigned(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): "\"\(value.prefix(40))\""
    case .bools, .integers, .floats, .strings, .array: "of several values"
    }
  }
}
