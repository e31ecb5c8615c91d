import Glibc
import Kernels
import Safetensors

/// Rotary position embedding: base, and how its frequencies are stretched for longer contexts.
///
/// The scalings are those of Hugging Face `rope_scaling` (transformers 4.46): position interpolation
/// (`linear`), dynamic NTK (`dynamic`), YaRN (arXiv 2309.00071), Llama 3, and LongRoPE as Phi-3 takes
/// it (`longrope`, once `su`; arXiv 2402.13753).
public struct RotaryConfiguration: Sendable, Equatable {
  public enum Scaling: Sendable, Equatable {
    case none
    case linear(factor: Double)
    case dynamic(factor: Double)
    case yarn(
      factor: Double, betaFast: Double, betaSlow: Double, attentionFactor: Double, original: Int)
    case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, original: Int)
    /// One factor a pair of dimensions; the long ones for more than `original` positions.
    case longrope(short: [Double], long: [Double], attentionFactor: Double, original: Int)
  }

  public var theta: Double
  public var headSize: Int
  public var maximumPositions: Int
  public var scaling: Scaling

  init(
    _ fields: ConfigurationFields, family: ModelFamily, headSize: Int, maximumPositions: Int
  ) throws {
    theta = try fields.number("rope_theta", default: 10000)
    self.headSize = headSize
    self.maximumPositions = maximumPositions
    scaling =
      try family == .phi3
      ? Self.longScaling(fields, pairs: headSize / 2, maximumPositions: maximumPositions)
      : Self.scaling(fields, maximumPositions: maximumPositions)
  }

  /// Phi-3's scaling; cos and sin grow with the whole stretch of the context, whatever the length.
  private static func longScaling(
    _ fields: ConfigurationFields, pairs: Int, maximumPositions: Int
  ) throws -> Scaling {
    guard let rope = try fields.object("rope_scaling") else { return .none }
    // transformers takes the two older names for the same.
    let kind = rope.string("type") ?? rope.string("rope_type") ?? ""
    guard ["longrope", "su", "yarn"].contains(kind) else {
      throw ModelError("config: rope_scaling type \"\(kind)\" is not supported with phi3")
    }
    try rope.allow(["type", "rope_type", "short_factor", "long_factor"], in: "rope_scaling")
    let original = try fields.integer(
      "original_max_position_embeddings", in: 2...(1 << 30), default: 4096)
    let stretch = Double(maximumPositions) / Double(original)
    return .longrope(
      short: try rope.numbers("short_factor", count: pairs),
      long: try rope.numbers("long_factor", count: pairs),
      attentionFactor: stretch <= 1 ? 1 : (1 + log(stretch) / log(Double(original))).squareRoot(),
      original: original)
  }

  private static func scaling(_ fields: ConfigurationFields, maximumPositions: Int) throws
    -> Scaling
  {
    guard let rope = try fields.object("rope_scaling") else { return .none }
    let kind = rope.string("rope_type") ?? rope.string("type") ?? ""
    try rope.allow(
      [
        "type", "rope_type", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow",
        "attention_factor", "low_freq_factor", "high_freq_factor",
      ], in: "rope_scaling")
    func original() throws -> Int {
      try rope.integer(
        "original_max_position_embeddings", in: 1...(1 << 30), default: maximumPositions)
    }
    switch kind {
    case "default": return .none
    case "linear": return .linear(factor: try rope.number("factor"))
    case "dynamic": return .dynamic(factor: try rope.number("factor"))
    case "yarn":
      let factor = try rope.number("factor")
      return .yarn(
        factor: factor, betaFast: try rope.number("beta_fast", default: 32),
        betaSlow: try rope.number("beta_slow", default: 1),
        attentionFactor: try rope.number("attention_factor", default: 0.1 * log(factor) + 1),
        original: maximumPositions)
    case "llama3":
      return .llama3(
        factor: try rope.number("factor"), lowFrequency: try rope.number("low_freq_factor"),
        highFrequency: try rope.number("high_freq_factor"), original: try original())
    default: throw ModelError("config: rope_scaling type \"\(kind)\" is not supported")
    }
  }

  /// What cos and sin are multiplied by; 1 but for YaRN and LongRoPE.
  public var attentionScaling: Float {
    switch scaling {
    case .yarn(_, _, _, let factor, _): return Float(factor)
    case .longrope(_, _, let factor, _): return Float(factor)
    case .none, .linear, .dynamic, .llama3: return 1
    }
  }

  /// Whether the angles change with the length of the sequence.
  var dependsOnLength: Bool {
    switch scaling {
    case .dynamic, .longrope: true
    case .none, .linear, .yarn, .llama3: false
    }
  }

  /// The table of `positions` in a sequence of `length` positions, which decides a dynamic base.
  func table(positions: Range<Int>, length: Int) -> RotaryTable {
    RotaryTable(
      inverseFrequencies: inverseFrequencies(length: length), positions: positions,
      scaling: attentionScaling)
  }

  /// One frequency a pair of dimensions, headSize / 2 of them, for a sequence of `length` positions.
  public func inverseFrequencies(length: Int) -> [Float] {
    var base = theta
    if case .dynamic(let factor) = scaling, length > maximumPositions {
      let stretch = factor * Double(length) / Double(maximumPositions) - (factor - 1)
      base *= pow(stretch, Double(headSize) / Double(headSize - 2))
    }
    let plain = (0..<headSize / 2).map { 1 / pow(base, Double(2 * $0) / Double(headSize)) }
    switch scaling {
    case .none, .dynamic: return plain.map(Float.init)
    case .linear(let factor): return plain.map { Float($0 / factor) }
    case .yarn(let factor, let fast, let slow, _, let original):
      return yarn(plain, factor: factor, fast: fast, slow: slow, original: original)
    case .longrope(let short, let long, _, let original):
      return zip(plain, length > original ? long : short).map { Float($0 / $1) }
    case .llama3(let factor, let low, let high, let original):
      return llama3(plain, factor: factor, low: low, high: high, original: original)
    }
  }

  /// Interpolates the slow dimensions, keeps the fast ones, ramps between (YaRN §3.2).
  private func yarn(
    _ plain: [Double], factor: Double, fast: Double, slow: Double, original: Int
  ) -> [Float] {
    func dimension(rotations: Double) -> Double {
      Double(headSize) * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(theta))
    }
    let low = max(dimension(rotations: fast).rounded(.down), 0)
    var high = min(dimension(rotations: slow).rounded(.up), Double(headSize - 1))
    if low == high { high += 0.001 }
    return plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return Float(frequency / factor * ramp + frequency * (1 - ramp))
    }
  }

  private func llama3(
    _ plain: [Double], factor: Double, low: Double, high: Double, original: Int
  ) -> [Float] {
    let longest = Double(original) / low
    let shortest = Double(original) / high
    return plain.map { frequency in
      let wavelength = 2 * Double.pi / frequency
      if wavelength < shortest { return Float(frequency) }
      if wavelength > longest { return Float(frequency / factor) }
      let smooth = (Double(original) / wavelength - low) / (high - low)
      return Float((1 - smooth) * frequency / factor + smooth * frequency)
    }
  }
}
