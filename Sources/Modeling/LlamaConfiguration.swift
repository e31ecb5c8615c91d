import Safetensors

/// The shape of a Llama-architecture decoder, from the fields of a Hugging Face `config.json`.
public struct LlamaConfiguration: Sendable, Equatable {
  public var vocabularySize: Int
  public var hiddenSize: Int
  public var intermediateSize: Int
  public var layerCount: Int
  public var queryHeads: Int
  public var keyValueHeads: Int
  public var headSize: Int
  public var maximumPositions: Int
  public var normEpsilon: Float
  public var rope: RotaryConfiguration
  public var tiedEmbeddings: Bool
  public var attentionBias: Bool
  public var mlpBias: Bool
  /// The row of the embedding that never gets a gradient (torch's `padding_idx`).
  public var paddingToken: Int?

  /// Width of all query heads side by side.
  public var queryWidth: Int { queryHeads * headSize }
  /// Width of one token's keys (or values) over all key/value heads.
  public var keyValueWidth: Int { keyValueHeads * headSize }

  /// Numbers in the linear layers of one decoder layer.
  var layerWeights: Int {
    hiddenSize * (2 * queryWidth + 2 * keyValueWidth + 3 * intermediateSize)
  }

  /// Inputs and outputs of a layer's linear modules by the last part of their names.
  func linearShape(_ name: String) -> (rows: Int, columns: Int) {
    switch name {
    case "q_proj": return (queryWidth, hiddenSize)
    case "k_proj", "v_proj": return (keyValueWidth, hiddenSize)
    case "o_proj": return (hiddenSize, queryWidth)
    case "down_proj": return (hiddenSize, intermediateSize)
    default: return (intermediateSize, hiddenSize)
    }
  }

  /// - Throws: `ModelError` naming the field that is missing, out of range or not supported.
  public init(huggingFace json: JSONValue) throws {
    let fields = ConfigurationFields(json)
    try fields.require("model_type", among: ["llama"])
    try fields.require("hidden_act", among: ["silu"], default: "silu")
    vocabularySize = try fields.integer("vocab_size", in: 1...(1 << 24))
    hiddenSize = try fields.integer("hidden_size", in: 1...(1 << 17))
    intermediateSize = try fields.integer("intermediate_size", in: 1...(1 << 20))
    layerCount = try fields.integer("num_hidden_layers", in: 1...1024)
    queryHeads = try fields.integer("num_attention_heads", in: 1...1024)
    keyValueHeads = try fields.integer(
      "num_key_value_heads", in: 1...queryHeads, default: queryHeads)
    headSize = try fields.integer("head_dim", in: 2...1024, default: hiddenSize / queryHeads)
    maximumPositions = try fields.integer(
      "max_position_embeddings", in: 1...(1 << 30), default: 2048)
    normEpsilon = Float(try fields.number("rms_norm_eps", default: 1e-6))
    tiedEmbeddings = try fields.boolean("tie_word_embeddings", default: false)
    attentionBias = try fields.boolean("attention_bias", default: false)
    mlpBias = try fields.boolean("mlp_bias", default: false)
    paddingToken = json["pad_token_id"]?.intValue
    rope = try RotaryConfiguration(fields, headSize: headSize, maximumPositions: maximumPositions)
    guard queryHeads % keyValueHeads == 0 else {
      throw ModelError(
        "num_attention_heads \(queryHeads) is not a multiple of num_key_value_heads \(keyValueHeads)"
      )
    }
    guard headSize % 2 == 0 else { throw ModelError("head_dim \(headSize) is odd") }
  }
}

/// Reads typed fields of a configuration, naming the field in every error.
struct ConfigurationFields {
  let json: JSONValue

  init(_ json: JSONValue) { self.json = json }

  /// The value, where a field that is absent and one that is `null` mean the same.
  private func present(_ name: String) -> JSONValue? {
    json[name] == .null ? nil : json[name]
  }

  func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws
    -> Int
  {
    guard let value = present(name)?.intValue ?? (present(name) == nil ? fallback : nil) else {
      throw ModelError("config: \(name) is missing or not an integer")
    }
    guard range.contains(value) else {
      throw ModelError(
        "config: \(name) is \(value), not in \(range.lowerBound)…\(range.upperBound)")
    }
    return value
  }

  func number(_ name: String, default fallback: Double? = nil) throws -> Double {
    let value = present(name)
    guard let number = value?.doubleValue ?? (value == nil ? fallback : nil), number.isFinite,
      number > 0
    else { throw ModelError("config: \(name) is missing or not a positive number") }
    return number
  }

  func boolean(_ name: String, default fallback: Bool) throws -> Bool {
    guard let value = present(name) else { return fallback }
    guard let flag = value.boolValue else { throw ModelError("config: \(name) is not a boolean") }
    return flag
  }

  func object(_ name: String) throws -> ConfigurationFields? {
    guard let value = present(name) else { return nil }
    guard value.objectValue != nil else { throw ModelError("config: \(name) is not an object") }
    return ConfigurationFields(value)
  }

  func string(_ name: String) -> String? { present(name)?.stringValue }

  func require(_ name: String, among accepted: [String], default fallback: String? = nil) throws {
    guard let value = string(name) ?? (present(name) == nil ? fallback : nil) else {
      throw ModelError("config: \(name) is missing")
    }
    guard accepted.contains(value) else {
      throw ModelError(
        "config: \(name) \"\(value)\" is not supported (supported: \(accepted.joined(separator: ", ")))"
      )
    }
  }
}
