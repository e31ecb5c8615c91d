/// Fields of a Hugging Face `config.json` that say nothing about what a model's layers compute, whatever
/// the model (transformers 2 to 5.24, `PreTrainedConfig` and `GenerationConfig`).
public enum HarmlessFields {
  public static func contains(_ name: String) -> Bool { all.contains(name) }

  private static let all = Set(
    [provenance, numbers, tokens, heads, dropout, generation].flatMap { $0 })

  /// Where the file comes from and which program wrote it.
  private static let provenance = [
    "_commit_hash", "_name_or_path", "architectures", "auto_map", "is_llama_config", "model_type",
    "name_or_path", "transformers.js_config", "transformers_version", "unsloth_fixed",
    "unsloth_version",
  ]

  /// How the program holds and multiplies numbers, and how weights were drawn before training.
  private static let numbers = [
    "_attn_implementation", "_attn_implementation_autoset", "_flash_attn_2_enabled",
    "attn_implementation", "chunk_size_feed_forward", "dtype", "gradient_checkpointing",
    "initializer_factor", "initializer_range", "low_cpu_mem_usage", "output_past",
    "pretraining_tp", "tf_legacy_loss", "torch_dtype", "torchscript", "use_bfloat16", "use_cache",
    "use_flash_attn",
  ]

  /// Tokens and texts, which the tokenizer knows.
  private static let tokens = [
    "bos_token", "bos_token_id", "cls_token_id", "decoder_start_token_id", "eos_token",
    "eos_token_id", "mask_token_id", "max_sequence_length", "model_max_length", "pad_token",
    "pad_token_id", "prefix", "sep_token_id", "tokenizer_class", "unk_token", "unk_token_id",
  ]

  /// What a head for another task, or the program's own results, look like.
  private static let heads = [
    "classifier_activation", "finetuning_task", "id2label", "label2id", "num_labels",
    "num_logits_to_keep", "output_attentions", "output_hidden_states", "problem_type",
    "return_dict", "task_specific_params",
  ]

  /// Only in training, where dropout is an adapter's.
  private static let dropout = [
    "attention_dropout", "attention_probs_dropout_prob", "classifier_dropout", "embd_pdrop",
    "hidden_dropout", "hidden_dropout_prob", "resid_pdrop",
  ]

  /// How a text is continued, which options say.
  private static let generation = [
    "bad_words_ids", "begin_suppress_tokens", "cache_implementation", "diversity_penalty",
    "do_sample", "early_stopping", "encoder_no_repeat_ngram_size", "epsilon_cutoff", "eta_cutoff",
    "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
    "guidance_scale", "length_penalty", "max_length", "max_new_tokens", "min_length",
    "min_new_tokens", "min_p", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_scores", "penalty_alpha", "remove_invalid_values",
    "renormalize_logits", "repetition_penalty", "return_dict_in_generate", "suppress_tokens",
    "temperature", "top_k", "top_p", "typical_p",
  ]
}
