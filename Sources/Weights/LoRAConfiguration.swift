import Glibc
import Safetensors

/// The fields of a PEFT adapter_config.json that decide what an adapter computes.
public struct LoRAConfiguration: Equatable, Sendable {
  /// Rank of the factors.
  public var rank: Int
  public var alpha: Double
  public var dropout: Double
  /// Module names such as `q_proj`.
  public var targetModules: [String]
  /// Modules trained whole; nil for none.
  public var modulesToSave: [String]?
  /// alpha/√r instead of alpha/r.
  public var usesRankStabilisedScaling = false
  /// The layers that have factors; nil for all.
  public var layersToTransform: [Int]?
  /// Name of the base model; informative.
  public var baseModel = ""

  public init(
    rank: Int, alpha: Double, dropout: Double, targetModules: [String],
    modulesToSave: [String]? = nil, baseModel: String = ""
  ) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.targetModules = targetModules
    self.modulesToSave = modulesToSave
    self.baseModel = baseModel
  }

  /// What B·A is multiplied by.
  public var scaling: Double {
    alpha / (usesRankStabilisedScaling ? Double(rank).squareRoot() : Double(rank))
  }

  /// Reads adapter_config.json.
  /// - Throws: `WeightsError` for a missing or malformed field, and for variants that would compute
  ///   something else (DoRA, biases, per-layer ranks …), named.
  public init(_ json: JSONValue, path: String) throws {
    let fail = { (message: String) in WeightsError(path, message) }
    guard json["peft_type"]?.stringValue == "LORA" else { throw fail("peft_type is not LORA") }
    if let other = json.unknownField(known: { Self.isKnown($0, json[$0] ?? .null) }) {
      throw fail("\(other.name) \(other.value.encoded) is not supported")
    }
    guard let rank = json["r"]?.intValue, (1...1 << 20).contains(rank) else {
      throw fail("r is not a positive count")
    }
    guard let alpha = json["lora_alpha"]?.doubleValue, alpha.isFinite else {
      throw fail("lora_alpha is not a number")
    }
    guard let targets = json["target_modules"]?.strings else {
      throw fail("target_modules is not an array of strings")
    }
    let saved = json["modules_to_save"] ?? .null
    guard saved == .null || saved.strings != nil else {
      throw fail("modules_to_save is not an array of strings")
    }
    guard let dropout = (json["lora_dropout"] ?? 0).doubleValue else {
      throw fail("lora_dropout is not a number")
    }
    self.init(
      rank: rank, alpha: alpha, dropout: dropout, targetModules: targets,
      modulesToSave: saved.strings,
      baseModel: json["base_model_name_or_path"]?.stringValue ?? "")
    usesRankStabilisedScaling = json["use_rslora"]?.boolValue ?? false
    if let layers = json["layers_to_transform"], layers != .null {
      guard let list = layers.intValue.map({ [$0] }) ?? layers.arrayValue?.compactMap(\.intValue)
      else { throw fail("layers_to_transform is not a list of layers") }
      layersToTransform = list
    }
  }

  /// Whether a field, by its value, is one that is read here or changes nothing of a trained adapter
  /// (PEFT 0.3 to 0.21, `LoraConfig`).
  private static func isKnown(_ name: String, _ value: JSONValue) -> Bool {
    switch name {
    case "bias": value == .string("none")
    case "layers_pattern": value == .string("layers") || value == .array([.string("layers")])
    // Some ways to begin take a part out of the base weights whenever PEFT loads the adapter.
    case "init_lora_weights": value == .bool(true) || plainBeginnings.contains(value)
    default: read.contains(name) || harmless.contains(name)
    }
  }

  private static let plainBeginnings: [JSONValue] = ["gaussian", "eva", "orthogonal"]

  private static let read: Set = [
    "layers_to_transform", "lora_alpha", "lora_dropout", "modules_to_save", "peft_type", "r",
    "target_modules", "use_rslora",
  ]

  /// Where it comes from; settings of ways to begin, and of kernels, that are switched on elsewhere.
  private static let harmless: Set = [
    "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "inference_mode",
    "loftq_config", "lora_ga_config", "megatron_core", "peft_version", "qalora_group_size",
    "revision", "runtime_config", "task_type",
  ]

  /// adapter_config.json with every field that PEFT 0.12 writes.
  public var json: JSONValue {
    [
      "alpha_pattern": .object([:]),
      "auto_mapping": .null,
      "base_model_name_or_path": .string(baseModel),
      "bias": .string("none"),
      "fan_in_fan_out": .bool(false),
      "inference_mode": .bool(true),
      "init_lora_weights": .bool(true),
      "layer_replication": .null,
      "layers_pattern": .null,
      "layers_to_transform": layersToTransform.map { .array($0.map { .integer(Int64($0)) }) }
        ?? .null,
      "loftq_config": .object([:]),
      "lora_alpha": Int64(exactly: alpha).map { .integer($0) } ?? .number(alpha),
      "lora_dropout": .number(dropout),
      "megatron_config": .null,
      "megatron_core": .string("megatron.core"),
      "modules_to_save": modulesToSave.map { .array($0.map { .string($0) }) } ?? .null,
      "peft_type": .string("LORA"),
      "r": .integer(Int64(rank)),
      "rank_pattern": .object([:]),
      "revision": .null,
      "target_modules": .array(targetModules.map { .string($0) }),
      "task_type": .string("CAUSAL_LM"),
      "use_dora": .bool(false),
      "use_rslora": .bool(usesRankStabilisedScaling),
    ]
  }
}

extension JSONValue {
  /// An array of strings and nothing else.
  fileprivate var strings: [String]? {
    guard let elements = arrayValue else { return nil }
    let strings = elements.compactMap(\.stringValue)
    return strings.count == elements.count ? strings : nil
  }
}
