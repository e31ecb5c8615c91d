import Kernels
import Safetensors

/// The shape of a decoder of Llama's design, from the fields of a Hugging Face `config.json`.
public struct LlamaConfiguration: Sendable, Equatable {
  public var family: ModelFamily
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
  /// Biases of query, key and value.
  public var attentionBias: Bool
  public var outputBias: Bool
  public var mlpBias: Bool
  public var activation: GateActivation
  /// Local tokens that a query sees at most, its own among them, in the layers from `windowedFrom` on.
  public var slidingWindow: Int?
  public var windowedFrom: Int
  /// The row of the embedding that never gets a gradient (torch's `padding_idx`).
  public var paddingToken: Int?

  /// What is added to a norm's stored weight.
  public var normOffset: Float { family.normOffset }
  /// What the embedding is multiplied by: √hidden in Gemma.
  public var embeddingScale: Float {
    family == .gemma ? Float(hiddenSize).squareRoot() : 1
  }
  /// Local tokens that a query of `layer` sees at most; nil for all.
  public func window(layer: Int) -> Int? { layer >= windowedFrom ? slidingWindow : nil }

  /// The row of `pad_token_id`; a negative one counts from the end, as torch does.
  private static func padding(
    _ json: JSONValue, family: ModelFamily, vocabularySize: Int
  ) -> Int? {
    guard let stated = json["pad_token_id"] else { return family.paddingToken }
    return stated.intValue.map { $0 < 0 ? vocabularySize + $0 : $0 }
  }

  private static func type(window: Int?) -> String {
    window == nil ? "full_attention" : "sliding_attention"
  }

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
    case "qkv_proj": return (queryWidth + 2 * keyValueWidth, hiddenSize)
    case "gate_up_proj": return (2 * intermediateSize, hiddenSize)
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
    try fields.require("model_type", among: ModelFamily.allCases.map(\.rawValue))
    family = ModelFamily(rawValue: fields.string("model_type") ?? "") ?? .llama
    try DecoderFields.refuseUnknown(fields)
    activation = try family.activation(fields)
    vocabularySize = try fields.integer("vocab_size", in: 1...(1 << 24))
    hiddenSize = try fields.integer("hidden_size", in: 1...(1 << 17))
    intermediateSize = try fields.integer("intermediate_size", in: 1...(1 << 20))
    layerCount = try fields.integer("num_hidden_layers", in: 1...1024)
    queryHeads = try fields.integer("num_attention_heads", in: 1...1024)
    let isNull = json["num_key_value_heads"] == .null
    keyValueHeads = try fields.integer(
      "num_key_value_heads", in: 1...queryHeads,
      default: isNull ? queryHeads : family.keyValueHeads(queryHeads: queryHeads))
    let isDivided = json["head_dim"] == .null
    headSize = try fields.integer(
      "head_dim", in: 2...1024,
      default: isDivided ? hiddenSize / queryHeads : family.headSize ?? hiddenSize / queryHeads)
    maximumPositions = try fields.integer(
      "max_position_embeddings", in: 1...(1 << 30), default: family.maximumPositions)
    normEpsilon = Float(try fields.number("rms_norm_eps", default: family.normEpsilon))
    tiedEmbeddings = try fields.boolean("tie_word_embeddings", default: family.tiesEmbeddings)
    (attentionBias, outputBias, mlpBias) = try family.biases(fields)
    let attended = try family.window(fields)
    (slidingWindow, windowedFrom) = (attended?.tokens, attended?.first ?? 0)
    paddingToken = Self.padding(json, family: family, vocabularySize: vocabularySize)
    rope = try RotaryConfiguration(
      fields, family: family, headSize: headSize, maximumPositions: maximumPositions)
    guard queryHeads % keyValueHeads == 0 else {
      throw ModelError(
        "num_attention_heads \(queryHeads) is not a multiple of num_key_value_heads \(keyValueHeads)"
      )
    }
    let types = (0..<layerCount).map { JSONValue.string(Self.type(window: window(layer: $0))) }
    guard !fields.has("layer_types") || json["layer_types"] == .array(types) else {
      throw ModelError("config: layer_types is not supported where it departs from sliding_window")
    }
    guard headSize % 2 == 0 else { throw ModelError("head_dim \(headSize) is odd") }
  }
}
