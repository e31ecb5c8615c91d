import Safetensors

/// A pooling module's config.json.
enum PoolingFile {
  /// The pooling that sentence-transformers names by one flag each before release 5.4, and by
  /// `pooling_mode` since.
  static func read(in path: String, _ read: (String) throws -> JSONValue?) throws -> Pooling {
    let file = RetrieverSettings.join(path, "config.json")
    guard let json = try read(file), let fields = json.objectValue else {
      throw EmbeddingError("\(file) is missing or not an object")
    }
    let flags = fields.filter { $0.key.hasPrefix(prefix) }
    try refuseUnknown(json, in: file) { name in
      switch name {
      case "include_prompt": json[name] == true
      case "embedding_dimension", "word_embedding_dimension", "pooling_mode": true
      default: flags[name]?.boolValue != nil
      }
    }
    if json["include_prompt"] == false {
      throw EmbeddingError("\(file): include_prompt false is not supported")
    }
    let modes =
      try named(json["pooling_mode"] ?? .null, file)
      ?? flags.filter { $0.value == true }.keys.map { String($0.dropFirst(prefix.count)) }.sorted()
    switch modes {
    case ["mean_tokens"], ["mean"]: return .mean
    case ["cls_token"], ["cls"]: return .cls
    default:
      let named = modes.isEmpty ? "none" : modes.joined(separator: " + ")
      throw EmbeddingError(
        "\(file): pooling \(named) is not supported, only mean_tokens or cls_token")
    }
  }

  private static let prefix = "pooling_mode_"

  /// One mode or several; nil for null.
  private static func named(_ mode: JSONValue, _ file: String) throws -> [String]? {
    if mode == .null { return nil }
    if let name = mode.stringValue { return [name] }
    let names = (mode.arrayValue ?? []).compactMap(\.stringValue)
    guard !names.isEmpty, names.count == mode.arrayValue?.count else {
      throw EmbeddingError("\(file): pooling_mode \(mode.encoded) is not supported")
    }
    return names
  }
}

/// A transformer module's settings.
enum TransformerFile {
  /// The names that sentence-transformers looks for, in this order.
  private static let names = [
    "bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta",
  ]

  /// The file's name and content; of a folder without, an empty object under the usual name.
  static func read(
    in folder: String, _ read: (String) throws -> JSONValue?
  ) throws -> (name: String, json: JSONValue) {
    let files = names.map { RetrieverSettings.join(folder, "sentence_\($0)_config.json") }
    for file in files {
      guard let json = try read(file) else { continue }
      try refuseUnknown(json, in: file) { isKnown($0, json[$0] ?? .null) }
      return (file, json)
    }
    return (files[0], .object([:]))
  }

  private static func isKnown(_ name: String, _ value: JSONValue) -> Bool {
    switch name {
    case "do_lower_case": value.boolValue != nil
    case "max_seq_length", "unpad_inputs": true
    case "transformer_task": value == "feature-extraction"
    case "module_output_name": value == "token_embeddings"
    case "modality_config":
      value == ["text": ["method": "forward", "method_output_name": "last_hidden_state"]]
    default: false
    }
  }
}

/// An encoder's tokenizer_config.json.
enum TokenizerFile {
  static func read(
    in folder: String, _ read: (String) throws -> JSONValue?
  ) throws -> JSONValue? {
    let file = RetrieverSettings.join(folder, "tokenizer_config.json")
    let json = try read(file)
    try refuseAddedTokens(in: folder, settings: json ?? .null, read)
    guard let json else { return nil }
    try refuseUnknown(json, in: file) { isKnown($0, json[$0] ?? .null) }
    return json
  }

  private static func isKnown(_ name: String, _ value: JSONValue) -> Bool {
    switch name {
    case "truncation_side": value == "right"
    case "never_split", "additional_special_tokens":
      (value.arrayValue ?? [.null]).allSatisfy { isSpecial(text($0)) }
    default: known.contains(name)
    }
  }

  /// What is read here, where the file comes from, and what concerns padding, pairs and decoding.
  private static let known: Set = [
    "_commit_hash", "added_tokens_decoder", "auto_map", "backend", "bos_token",
    "clean_up_tokenization_spaces", "cls_token", "do_basic_tokenize", "do_lower_case", "eos_token",
    "is_local", "legacy", "local_files_only", "mask_token", "max_length", "max_len",
    "model_input_names", "model_max_length", "model_specific_special_tokens", "name_or_path",
    "pad_to_multiple_of", "pad_token", "pad_token_type_id", "padding_side", "processor_class",
    "sep_token", "special_tokens_map_file", "stride", "strip_accents", "tokenize_chinese_chars",
    "tokenizer_class", "tokenizer_file", "truncation_strategy", "unk_token", "use_fast",
  ]

  private static let special: Set = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "<pad>", "</s>", "<unk>", "<mask>",
  ]

  private static func isSpecial(_ token: String?) -> Bool { token.map(special.contains) ?? false }

  private static func text(_ token: JSONValue) -> String? {
    token.stringValue ?? token["content"]?.stringValue
  }

  /// A token beyond the vocabulary's own would be found in texts before anything else is.
  private static func refuseAddedTokens(
    in folder: String, settings: JSONValue, _ read: (String) throws -> JSONValue?
  ) throws {
    let settingsFile = RetrieverSettings.join(folder, "tokenizer_config.json")
    let file = RetrieverSettings.join(folder, "added_tokens.json")
    let decoder = settings["added_tokens_decoder"]?.objectValue ?? [:]
    let added = try read(file)?.objectValue ?? [:]
    let tokens =
      decoder.values.map { (settingsFile, text($0) ?? "") } + added.keys.map { (file, $0) }
    if let (file, token) = tokens.filter({ !isSpecial($0.1) }).min(by: { $0.1 < $1.1 }) {
      throw EmbeddingError("\(file): added token \(token) is not supported")
    }
  }
}
