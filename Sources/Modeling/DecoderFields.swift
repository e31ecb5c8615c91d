import Safetensors
import Weights

/// Which fields of a decoder's config.json are accounted for. Any other is refused by name.
enum DecoderFields {
  /// - Throws: `ModelError` naming a field that may change what the model computes.
  static func refuseUnknown(_ fields: ConfigurationFields) throws {
    let other = fields.json.unknownField {
      read.contains($0) || memory.contains($0) || neutral[$0] != nil || HarmlessFields.contains($0)
    }
    if let other {
      throw ModelError("config: \(other.name) \(other.value.encoded) is not supported")
    }
    try fields.refuse(neutral)
    // Models of text that is not read from left to right: false is not off here.
    guard try fields.boolean("is_causal", default: true) else {
      throw ModelError("config: is_causal false is not supported")
    }
  }

  /// What `LlamaConfiguration`, `ModelFamily` and `RotaryFields` read; `is_decoder` says what it is.
  private static let read: Set = [
    "attention_bias", "head_dim", "hidden_act", "hidden_activation", "hidden_size",
    "intermediate_size", "is_causal", "is_decoder", "layer_types", "max_position_embeddings",
    "max_window_layers", "mlp_bias", "num_attention_heads", "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings", "rms_norm_eps", "rope_parameters", "rope_scaling",
    "rope_theta", "sliding_window", "tie_word_embeddings", "use_sliding_window", "vocab_size",
  ]

  /// The published MemLong's, which `MemoryConfiguration` or an option stands for.
  private static let memory: Set = [
    "clear_memories_on_bos_token_id", "clear_memories_on_eos_token_id", "last_context_length",
    "mem_dtype", "mem_group_size", "mem_layer", "mem_positionals", "mem_source", "memory_size",
    "pooling_tokens", "position_type", "ret_attn_layers", "ret_group_size", "update_boundary",
    "use_gate",
  ]

  /// What other models of the same layout compute, with the value that changes nothing.
  private static let neutral: [String: Double?] = [
    "attention_multiplier": 1, "embedding_multiplier": 1, "embedding_scale": 1, "logit_scale": 1,
    "logits_scaling": 1, "mlp_multiplier": 1, "num_experts": 0,
    "num_experts_per_tok": 0, "num_local_experts": 0, "num_nextn_predict_layers": 0,
    "partial_rotary_factor": 1, "residual_multiplier": 1, "rotary_pct": 1,
  ]
}
