import Safetensors

/// What a retriever's folder says besides the encoder itself: sentence-transformers' `modules.json`
/// and what it names, or nothing where the folder holds a bare encoder.
struct RetrieverSettings: Equatable, Sendable {
  /// nil in a folder without `modules.json`.
  var pooling: Pooling?
  /// Tokens of a text that are read, begin and end included; nil: as far as the encoder and its
  /// tokenizer go.
  var maximumLength: Int?
  /// The tokenizer's own limit (`model_max_length`); nil where it has none: many say 10³⁰.
  var tokenizerLength: Int?
  /// sentence-transformers lowercases the text before the tokenizer sees it.
  var lowercasesText: Bool
  /// Folder, relative to the model's, of the encoder and its tokenizer.
  var encoderPath: String

  /// - Parameter read: the parsed JSON file of a path relative to the folder; nil when absent.
  init(read: (String) throws -> JSONValue?) throws {
    (encoderPath, pooling) = try Self.encoderAndPooling(read)
    let file = Self.join(encoderPath, "sentence_bert_config.json")
    let sentence = try read(file) ?? .object([:])
    lowercasesText = sentence["do_lower_case"]?.boolValue ?? false
    switch sentence["max_seq_length"] ?? .null {
    case .null: break
    case let value:
      guard let length = value.intValue.map({ Int($0) }), length >= 2 else {
        throw EmbeddingError(
          "\(file): max_seq_length \(value.encoded) is not a length of 2 or more")
      }
      maximumLength = length
    }
    let tokenizer = try read(Self.join(encoderPath, "tokenizer_config.json"))
    tokenizerLength = tokenizer?["model_max_length"]?.intValue
      .flatMap { (2...1 << 20).contains($0) ? Int($0) : nil }
    try Self.refusePrompt(read)
  }

  private static func encoderAndPooling(
    _ read: (String) throws -> JSONValue?
  ) throws -> (String, Pooling?) {
    guard let modules = try modules(read) else { return ("", nil) }
    var encoderPath: String?
    var pooling: Pooling?
    for (type, path) in modules {
      switch type {
      case "Transformer" where encoderPath == nil: encoderPath = path
      case "Pooling" where encoderPath != nil && pooling == nil:
        pooling = try Self.pooling(path: path, read)
      case "Normalize": break  // vectors are always normalised
      default: throw EmbeddingError("modules.json: module \(type) is not supported here")
      }
    }
    guard let encoderPath else { throw EmbeddingError("modules.json: no Transformer module") }
    guard let pooling else { throw EmbeddingError("modules.json: no Pooling module") }
    return (encoderPath, pooling)
  }

  private static func modules(
    _ read: (String) throws -> JSONValue?
  ) throws -> [(type: String, path: String)]? {
    guard let json = try read("modules.json") else { return nil }
    guard let modules = json.arrayValue else { throw EmbeddingError("modules.json: not an array") }
    return try modules.map { module in
      guard let type = module["type"]?.stringValue, let path = module["path"]?.stringValue else {
        throw EmbeddingError("modules.json: a module without type and path")
      }
      guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
        throw EmbeddingError("modules.json: path \(path) leaves the folder")
      }
      return (String(type.split(separator: ".").last ?? ""), path)
    }
  }

  private static func pooling(
    path: String, _ read: (String) throws -> JSONValue?
  ) throws -> Pooling {
    let file = join(path, "config.json")
    guard let fields = try read(file)?.objectValue else {
      throw EmbeddingError("\(file) is missing or not an object")
    }
    let prefix = "pooling_mode_"
    let modes = fields.filter { $0.key.hasPrefix(prefix) && $0.value == .bool(true) }.keys
      .map { String($0.dropFirst(prefix.count)) }.sorted()
    switch modes {
    case ["mean_tokens"]: return .mean
    case ["cls_token"]: return .cls
    default:
      let named = modes.isEmpty ? "none" : modes.joined(separator: " + ")
      throw EmbeddingError(
        "\(file): pooling \(named) is not supported, only mean_tokens or cls_token")
    }
  }

  /// A default prompt would be put before every text.
  private static func refusePrompt(_ read: (String) throws -> JSONValue?) throws {
    let file = "config_sentence_transformers.json"
    if let name = try read(file)?["default_prompt_name"]?.stringValue {
      throw EmbeddingError("\(file): default_prompt_name \"\(name)\" is not supported")
    }
  }

  static func join(_ folder: String, _ file: String) -> String {
    folder.isEmpty ? file : folder + "/" + file
  }
}
