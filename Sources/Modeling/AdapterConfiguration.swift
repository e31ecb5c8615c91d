import Weights

/// What an adapter consists of, in PEFT's terms.
public struct AdapterConfiguration: Sendable, Equatable {
  public static let allTargets = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
  ]

  /// Modules that hold several of these in one tensor, as in Phi-3, and which.
  static let fused = [
    "qkv_proj": ["q_proj", "k_proj", "v_proj"], "gate_up_proj": ["gate_proj", "up_proj"],
  ]

  /// Every name that `targets` may hold.
  public static var knownTargets: [String] { allTargets + fused.keys.sorted().reversed() }

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
        !Self.knownTargets.contains($0) && $0 != "embed"
      }.map { name in
        guard let extra = Extra.allCases.first(where: { $0.moduleName == name }) else {
          throw ModelError("adapter: modules_to_save \"\(name)\" is not supported")
        }
        return extra
      })
  }

  /// The same with the targets that a model has: where one tensor holds several of them, all of these
  /// together are that one, which is what PEFT calls it.
  ///
  /// - Throws: `ModelError` naming a target that the model lacks or has only as a part.
  public func fitted(to configuration: LlamaConfiguration) throws -> AdapterConfiguration {
    var fitted = self
    for (whole, parts) in Self.fused.sorted(by: { $0.key < $1.key }) {
      guard configuration.family.fusesProjections else {
        guard !targets.contains(whole) else {
          throw ModelError(
            "adapter: \(configuration.family) has \(parts.joined(separator: ", ")), no \(whole)")
        }
        continue
      }
      let named = parts.filter { targets.contains($0) }
      guard named.isEmpty || named == parts else {
        throw ModelError(
          "adapter: \(configuration.family) holds \(parts.joined(separator: ", ")) in one \(whole): "
            + "adapt all of them or none")
      }
      fitted.targets.removeAll { parts.contains($0) }
      if !named.isEmpty, !targets.contains(whole) { fitted.targets.insert(whole, at: 0) }
    }
    return fitted
  }

  var scale: Float { Float(alpha / Double(rank)) }

  /// As PEFT stores it.
  ///
  /// - Parameters:
  ///   - layers: the layers with adapters, nil for all; none means that weights were trained in full
  ///     instead.
  ///   - weights: the last parts of those weights' names.
  public func peft(
    baseModel: String, layers: Range<Int>?, weights: [String] = allTargets
  ) -> LoRAConfiguration {
    let modules = extras.map(\.moduleName) + (layers?.isEmpty == true ? weights : [])
    var stored = LoRAConfiguration(
      rank: rank, alpha: alpha, dropout: dropout, targetModules: targets.sorted(),
      modulesToSave: modules.isEmpty ? nil : modules, baseModel: baseModel)
    stored.layersToTransform = layers.map(Array.init)
    return stored
  }
}
