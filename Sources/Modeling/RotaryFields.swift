import Glibc
import Safetensors
import Weights

/// The rotary embedding of a config.json: `rope_theta` and `rope_scaling`, as transformers 4 writes
/// them, or `rope_parameters`, as transformers 5 does.
struct RotaryFields {
  let theta: Double
  private let config: ConfigurationFields
  /// The scaling's object, nil for a plain rotation, and the field that holds it.
  private let scaling: ConfigurationFields?
  private let name: String

  init(_ config: ConfigurationFields) throws {
    self.config = config
    let parameters = try Self.parameters(config)
    name = parameters == nil ? "rope_scaling" : "rope_parameters"
    guard parameters == nil || !config.has("rope_scaling") else {
      throw ModelError("config: rope_scaling and rope_parameters are both given")
    }
    scaling = try parameters ?? config.object("rope_scaling")
    let own = try scaling.flatMap { try $0.has("rope_theta") ? $0.number("rope_theta") : nil }
    theta = try config.number("rope_theta", default: own ?? 10000)
    guard own == nil || own == theta else {
      throw ModelError("config: rope_theta is \(theta), in \(name) \(own ?? 0)")
    }
  }

  /// `rope_parameters`: one object, or one for each kind of layers that are all the same.
  private static func parameters(_ config: ConfigurationFields) throws -> ConfigurationFields? {
    guard let given = try config.object("rope_parameters") else { return nil }
    let kinds = ["full_attention", "sliding_attention"].filter { given.json[$0] != nil }
    guard let first = kinds.first.flatMap({ given.json[$0] }) else { return given }
    guard given.json.objectValue?.count == kinds.count, first.objectValue != nil,
      kinds.allSatisfy({ given.json[$0] == first })
    else { throw ModelError("config: rope_parameters that differ by layer are not supported") }
    return ConfigurationFields(first)
  }

  // MARK: Scalings

  func scaling(maximumPositions: Int) throws -> RotaryConfiguration.Scaling {
    guard let rope = scaling else { return .none }
    let kind = self.kind(rope)
    try allow(
      [
        "factor", "beta_fast", "beta_slow", "attention_factor", "low_freq_factor",
        "high_freq_factor",
      ] + (kind == "yarn" ? ["mscale", "mscale_all_dim", "truncate"] : []), in: rope)
    switch kind {
    case "default": return .none
    case "linear": return .linear(factor: try rope.number("factor"))
    case "dynamic": return .dynamic(factor: try rope.number("factor"))
    case "yarn": return try yarn(rope, maximumPositions: maximumPositions)
    case "llama3":
      return .llama3(
        factor: try rope.number("factor"), lowFrequency: try rope.number("low_freq_factor"),
        highFrequency: try rope.number("high_freq_factor"),
        original: try original(rope, default: maximumPositions))
    default: throw ModelError("config: \(name) type \"\(kind)\" is not supported")
    }
  }

  private func yarn(
    _ rope: ConfigurationFields, maximumPositions: Int
  ) throws -> RotaryConfiguration.Scaling {
    let original = try original(rope, default: maximumPositions)
    // A factor of null is what the two lengths say.
    let factor = try rope.number(
      "factor",
      default: rope.json["factor"] == .null ? Double(maximumPositions) / Double(original) : nil)
    func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }
    var attention = magnitude(1)
    if rope.has("mscale"), rope.has("mscale_all_dim") {
      attention =
        magnitude(try rope.number("mscale")) / magnitude(try rope.number("mscale_all_dim"))
    }
    return .yarn(
      factor: factor, betaFast: try rope.number("beta_fast", default: 32),
      betaSlow: try rope.number("beta_slow", default: 1),
      attentionFactor: try rope.number("attention_factor", default: attention),
      original: original, truncates: try rope.boolean("truncate", default: true))
  }

  /// Phi-3's scaling; cos and sin grow with the whole stretch of the context, whatever the length.
  func longScaling(pairs: Int, maximumPositions: Int) throws -> RotaryConfiguration.Scaling {
    guard let rope = scaling else { return .none }
    try allow(["short_factor", "long_factor", "factor", "attention_factor"], in: rope)
    // transformers takes the two older names for the same.
    let kind = self.kind(rope)
    if kind == "default" { return .none }
    guard ["longrope", "su", "yarn"].contains(kind) else {
      throw ModelError("config: \(name) type \"\(kind)\" is not supported with phi3")
    }
    let original = try original(rope, default: 4096)
    let stretch = try rope.number("factor", default: Double(maximumPositions) / Double(original))
    let attention = stretch <= 1 ? 1 : (1 + log(stretch) / log(Double(original))).squareRoot()
    return .longrope(
      short: try rope.numbers("short_factor", count: pairs),
      long: try rope.numbers("long_factor", count: pairs),
      attentionFactor: try rope.number("attention_factor", default: attention), original: original)
  }

  // MARK: Fields

  private func kind(_ rope: ConfigurationFields) -> String {
    rope.string("rope_type") ?? rope.string("type") ?? (name == "rope_scaling" ? "" : "default")
  }

  /// Refuses every field but these and those of every scaling.
  private func allow(_ names: [String], in rope: ConfigurationFields) throws {
    let shared = [
      "type", "rope_type", "rope_theta", "original_max_position_embeddings",
      "partial_rotary_factor", "finetuned",
    ]
    try rope.allow(Set(names + shared), in: name)
    try rope.refuse(["partial_rotary_factor": 1])
  }

  /// Positions of the training before the stretch: beside the scaling, where Phi-3 has it, or in it.
  private func original(_ rope: ConfigurationFields, default fallback: Int) throws -> Int {
    let field = "original_max_position_embeddings"
    let range = 2...(1 << 30)
    let inside = try rope.integer(field, in: range, default: fallback)
    let original = try config.integer(field, in: range, default: inside)
    guard !rope.has(field) || inside == original else {
      throw ModelError("config: \(field) is \(original), in \(name) \(inside)")
    }
    return original
  }
}

extension ModelFiles {
  /// The same files with another `rope_scaling`; the rotation's base stays.
  public func setting(ropeScaling: JSONValue) throws -> ModelFiles {
    let theta = try RotaryFields(ConfigurationFields(configuration)).theta
    return setting("rope_parameters", to: .null).setting("rope_theta", to: .number(theta))
      .setting("rope_scaling", to: ropeScaling)
  }
}
