import Safetensors

/// What an adapter consists of, in PEFT's terms.
public struct AdapterConfiguration: Sendable, Equatable {
  public static let allTargets = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
  ]

  /// Full tensors trained and saved beside the low-rank ones.
  public enum Extra: String, Sendable, CaseIterable {
    /// Both norms of every layer and the last one.
    case norm
    /// The input embedding.
    case embed
    /// The retrieval gates.
    case gate

    /// The name in PEFT's `modules_to_save`, which matches by suffix.
    var moduleName: String {
      switch self {
      case .norm: return "norm"
      case .embed: return "embed_tokens"
      case .gate: return "ret_gate"
      }
    }
  }

  public var rank: Int
  public var alpha: Double
  public var dropout: Double
  /// Last parts of the names of the adapted linear layers.
  public var targets: [String]
  public var extras: [Extra]

  public init(rank: Int, alpha: Double, dropout: Double, targets: [String], extras: [Extra]) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.targets = targets
    self.extras = extras
  }

  /// - Throws: `ModelError` naming the field that is missing or that this implementation lacks.
  public init(peft json: JSONValue) throws {
    let fields = ConfigurationFields(json)
    try fields.require("peft_type", among: ["LORA"])
    try fields.require("bias", among: ["none"], default: "none")
    for unsupported in ["use_dora", "use_rslora", "fan_in_fan_out"]
    where try fields.boolean(unsupported, default: false) {
      throw ModelError("adapter: \(unsupported) is not supported")
    }
    for unsupported in ["rank_pattern", "alpha_pattern"]
    where json[unsupported]?.objectValue?.isEmpty == false {
      throw ModelError("adapter: \(unsupported) is not supported")
    }
    rank = try fields.integer("r", in: 1...65536)
    alpha = try fields.number("lora_alpha")
    dropout = json["lora_dropout"]?.doubleValue ?? 0
    guard (0..<1).contains(dropout) else {
      throw ModelError("adapter: lora_dropout \(dropout) is not in 0..<1")
    }
    targets = json["target_modules"]?.arrayValue?.compactMap(\.stringValue) ?? []
    let saved = json["modules_to_save"]?.arrayValue?.compactMap(\.stringValue) ?? []
    extras = try saved.map { name in
      guard let extra = Extra.allCases.first(where: { $0.moduleName == name }) else {
        throw ModelError("adapter: modules_to_save \"\(name)\" is not supported")
      }
      return extra
    }
  }

  var scale: Float { Float(alpha / Double(rank)) }

  /// PEFT 0.12's `adapter_config.json`.
  public func peft(baseModel: String) -> JSONValue {
    func strings(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
    return .object([
      "alpha_pattern": .object([:]), "auto_mapping": .null,
      "base_model_name_or_path": .string(baseModel), "bias": .string("none"),
      "fan_in_fan_out": .bool(false), "inference_mode": .bool(true),
      "init_lora_weights": .bool(true), "layer_replication": .null, "layers_pattern": .null,
      "layers_to_transform": .null, "loftq_config": .object([:]),
      "lora_alpha": alpha == alpha.rounded() ? .integer(Int64(alpha)) : .number(alpha),
      "lora_dropout": .number(dropout), "megatron_config": .null,
      "megatron_core": .string("megatron.core"),
      "modules_to_save": extras.isEmpty ? .null : strings(extras.map(\.moduleName)),
      "peft_type": .string("LORA"), "r": .integer(Int64(rank)), "rank_pattern": .object([:]),
      "revision": .null, "target_modules": strings(targets.sorted()),
      "task_type": .string("CAUSAL_LM"), "use_dora": .bool(false), "use_rslora": .bool(false),
    ])
  }
}
