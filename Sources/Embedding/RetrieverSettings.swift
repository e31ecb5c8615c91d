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
    let (file, sentence) = try TransformerFile.read(in: encoderPath, read)
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
    let tokenizer = try TokenizerFile.read(in: encoderPath, read)
    tokenizerLength = tokenizer?["model_max_length"]?.intValue
      .flatMap { (2...1 << 20).contains($0) ? Int($0) : nil }
    try Self.refuseUnknownSettings(read)
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
        pooling = try PoolingFile.read(in: path, read)
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
      try refuseUnknown(module, in: "modules.json") {
        ["idx", "name", "path", "type"].contains($0)
      }
      guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
        throw EmbeddingError("modules.json: path \(path) leaves the folder")
      }
      guard type.hasPrefix("sentence_transformers.") else {
        throw EmbeddingError("modules.json: module \(type) is not supported here")
      }
      return (String(type.split(separator: ".").last ?? ""), path)
    }
  }

  /// A default prompt would be put before every text; the rest is said by the modules.
  private static func refuseUnknownSettings(_ read: (String) throws -> JSONValue?) throws {
    let file = "config_sentence_transformers.json"
    guard let settings = try read(file) else { return }
    // Of vectors of length 1 these all put the same first.
    let similarities: [JSONValue] = ["cosine", "dot", "euclidean", "cos_sim", "dot_score"]
    try refuseUnknown(settings, in: file) { name in
      switch name {
      case "model_type": settings[name] == "SentenceTransformer"
      case "similarity_fn_name": similarities.contains(settings[name] ?? .null)
      default: ["__version__", "prompts", "requirements"].contains(name)
      }
    }
  }

  static func join(_ folder: String, _ file: String) -> String {
    folder.isEmpty ? file : folder + "/" + file
  }
}
