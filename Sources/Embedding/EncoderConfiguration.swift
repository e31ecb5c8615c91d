import Safetensors

/// The sizes of a BERT encoder, from a Hugging Face `config.json`.
public struct EncoderConfiguration: Equatable, Sendable {
  public var hiddenSize: Int
  public var intermediateSize: Int
  public var layers: Int
  public var heads: Int
  public var vocabularySize: Int
  public var positions: Int
  public var tokenTypes: Int
  public var layerNormEpsilon: Float

  public var headSize: Int { hiddenSize / heads }

  /// - Throws: `EmbeddingError` naming the field that is missing, out of range or unsupported.
  public init(_ json: JSONValue) throws {
    func size(_ key: String, upTo limit: Int = 1 << 20) throws -> Int {
      guard let value = json[key]?.intValue.map({ Int($0) }), (1...limit).contains(value) else {
        throw EmbeddingError("config.json: \(key) is missing or not in 1…\(limit)")
      }
      return value
    }
    try Self.requireSupported(json)
    hiddenSize = try size("hidden_size")
    intermediateSize = try size("intermediate_size")
    layers = try size("num_hidden_layers", upTo: 1024)
    heads = try size("num_attention_heads", upTo: 1024)
    vocabularySize = try size("vocab_size", upTo: 1 << 26)
    positions = try size("max_position_embeddings")
    tokenTypes = try size("type_vocab_size")
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

  /// Refuses by name what would change the vectors and is not computed here.
  private static func requireSupported(_ json: JSONValue) throws {
    let supported = [
      ("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute"),
    ]
    for (key, only) in supported {
      // An old config has no position_embedding_type; the others are always there.
      let value = json[key] ?? (key == "position_embedding_type" ? .string(only) : .null)
      guard value == .string(only) else {
        throw EmbeddingError(
          "config.json: \(key) \(value.encoded) is not supported, only \"\(only)\"")
      }
    }
    for key in ["is_decoder", "add_cross_attention"] where json[key]?.boolValue == true {
      throw EmbeddingError("config.json: \(key) true is not supported")
    }
  }
}
