import Safetensors
import Weights

/// The sizes of a BERT or XLM-RoBERTa encoder, from a Hugging Face `config.json`.
public struct EncoderConfiguration: Equatable, Sendable {
  /// The two are one architecture; they count positions differently.
  public enum Family: String, CaseIterable, Sendable {
    case bert
    case xlmRoberta = "xlm-roberta"
  }

  public var family: Family
  public var hiddenSize: Int
  public var intermediateSize: Int
  public var layers: Int
  public var heads: Int
  public var vocabularySize: Int
  /// Rows of the position table.
  public var positions: Int
  /// The id whose position is its own number and is not counted (XLM-RoBERTa's, after fairseq);
  /// nil: positions count from 0 (BERT).
  public var padding: Int?
  public var tokenTypes: Int
  public var layerNormEpsilon: Float

  public var headSize: Int { hiddenSize / heads }
  /// The position of a text's first token.
  public var firstPosition: Int { padding.map { $0 + 1 } ?? 0 }
  /// Tokens of the longest text that the position table reaches.
  public var longestText: Int { positions - firstPosition }

  /// - Throws: `EmbeddingError` naming the field that is missing, out of range or unsupported.
  public init(_ json: JSONValue) throws {
    func size(_ key: String, upTo limit: Int = 1 << 20) throws -> Int {
      guard let value = json[key]?.intValue.map({ Int($0) }), (1...limit).contains(value) else {
        throw EmbeddingError("config.json: \(key) is missing or not in 1…\(limit)")
      }
      return value
    }
    family = try Self.family(json)
    try Self.requireSupported(json)
    hiddenSize = try size("hidden_size")
    intermediateSize = try size("intermediate_size")
    layers = try size("num_hidden_layers", upTo: 1024)
    heads = try size("num_attention_heads", upTo: 1024)
    vocabularySize = try size("vocab_size", upTo: 1 << 26)
    positions = try size("max_position_embeddings")
    tokenTypes = try size("type_vocab_size")
    padding = family == .bert ? nil : try Self.padding(json, positions: positions)
    guard hiddenSize % heads == 0 else {
      throw EmbeddingError(
        "config.json: hidden_size \(hiddenSize) is not a multiple of num_attention_heads \(heads)")
    }
    let epsilon = json["layer_norm_eps"]?.doubleValue ?? 1e-12
    guard epsilon >= 0, epsilon < 1 else {
      throw EmbeddingError("config.json: layer_norm_eps \(epsilon) is not in 0..<1")
    }
    layerNormEpsilon = Float(epsilon)
  }

  private static func family(_ json: JSONValue) throws -> Family {
    let value = json["model_type"] ?? .null
    guard let family = value.stringValue.flatMap(Family.init) else {
      let known = Family.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " and ")
      throw EmbeddingError(
        "config.json: model_type \(value.encoded) is not supported, only \(known)")
    }
    return family
  }

  private static func padding(_ json: JSONValue, positions: Int) throws -> Int {
    let value = json["pad_token_id"] ?? .integer(1)
    guard let id = value.intValue, id >= 0, id < positions - 2 else {
      throw EmbeddingError(
        "config.json: pad_token_id \(value.encoded) leaves no positions for a text"
          + " (max_position_embeddings \(positions))")
    }
    return Int(id)
  }

  /// Refuses by name what would change the vectors and is not computed here.
  private static func requireSupported(_ json: JSONValue) throws {
    let supported = [("hidden_act", "gelu"), ("position_embedding_type", "absolute")]
    for (key, only) in supported {
      // An old config has no position_embedding_type; hidden_act is always there.
      let value = json[key] ?? (key == "position_embedding_type" ? .string(only) : .null)
      guard value == .string(only) else {
        throw EmbeddingError(
          "config.json: \(key) \(value.encoded) is not supported, only \"\(only)\"")
      }
    }
    try refuseUnknown(json, in: "config.json") {
      known.contains($0) || HarmlessFields.contains($0)
    }
  }

  /// What is read here, and what only a model's other heads have.
  private static let known: Set = [
    "directionality", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps",
    "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "pooler_fc_size",
    "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type",
    "position_embedding_type", "sbert_ce_default_activation_function", "sentence_transformers",
    "tie_word_embeddings", "type_vocab_size", "vocab_size",
  ]
}
