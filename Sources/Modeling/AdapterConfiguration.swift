import Weights

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

  /// - Throws: `ModelError` naming what this implementation lacks.
  public init(peft stored: LoRAConfiguration) throws {
    guard (0..<1).contains(stored.dropout) else {
      throw ModelError("adapter: lora_dropout \(stored.dropout) is not in 0..<1")
    }
    guard !stored.usesRankStabilisedScaling else {
      throw ModelError("adapter: use_rslora is not supported")
    }
    self.init(
      rank: stored.rank, alpha: stored.alpha, dropout: stored.dropout,
      targets: stored.targetModules,
      // The tensors tell which linear layers were trained in full. PEFT matches by suffix, so the
      // published `embed` matches no module of a Llama and saves nothing.
      extras: try (stored.modulesToSave ?? []).filter {
        !Self.allTargets.contains($0) && $0 != "embed"
      }.map { name in
        guard let extra = Extra.allCases.first(where: { $0.moduleName == name }) else {
          throw ModelError("adapter: modules_to_save \"\(name)\" is not supported")
        }
        return extra
      })
  }

  var scale: Float { Float(alpha / Double(rank)) }

  /// As PEFT stores it.
  ///
  /// - Parameter layers: the layers with adapters, nil for all; none means that weights were trained
  ///   in full instead.
  public func peft(baseModel: String, layers: Range<Int>?) -> LoRAConfiguration {
    let modules = extras.map(\.moduleName) + (layers?.isEmpty == true ? Self.allTargets : [])
    var stored = LoRAConfiguration(
      rank: rank, alpha: alpha, dropout: dropout, targetModules: targets.sorted(),
      modulesToSave: modules.isEmpty ? nil : modules, baseModel: baseModel)
    stored.layersToTransform = layers.map(Array.init)
    return stored
  }
}
