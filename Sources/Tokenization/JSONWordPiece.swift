extension TokenizerJSON {
  /// The tokenizer of a `WordPiece` model, where it is BERT's.
  func wordPiece(name: String) throws -> WordPieceTokenizer {
    guard normalizer?.type == "BertNormalizer", let normalizer,
      try normalizer.flag("clean_text", or: true)
    else { throw (normalizer ?? model).refusal("without BERT's normalizer is not supported") }
    guard preTokenizer?.type == "BertPreTokenizer" else {
      throw (preTokenizer ?? model).refusal("with a WordPiece model is not supported")
    }
    guard try model.text("unk_token", or: "[UNK]") == "[UNK]",
      try model.text("continuing_subword_prefix", or: "##") == "##",
      model["max_input_chars_per_word"]?.intValue ?? 100 == 100
    else { throw model.refusal("with other settings than BERT's is not supported") }
    for token in addedTokens where !WordPieceTokenizer.specialTokens.contains(token.content) {
      throw model.refusal("with the added token \(token.content) is not supported")
    }
    let tokens = try JSONVocabulary(model, addedTokens).list.tokens
    return try WordPieceTokenizer(
      vocabulary: tokens.map { $0 + "\n" }.joined(),
      lowercase: try normalizer.flag("lowercase", or: true),
      stripAccents: normalizer["strip_accents"]?.boolValue,
      chineseCharacters: try normalizer.flag("handle_chinese_chars", or: true), name: name)
  }
}
