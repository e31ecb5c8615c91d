import Glibc
import Kernels

/// Rotary position embedding: base, and how its frequencies are stretched for longer contexts.
///
/// The scalings are those of Hugging Face's transformers (5.24): position interpolation
/// (`linear`), dynamic NTK (`dynamic`), YaRN (arXiv 2309.00071), Llama 3, and LongRoPE as Phi-3 takes
/// it (`longrope`, once `su`; arXiv 2402.13753).
public struct RotaryConfiguration: Sendable, Equatable {
  public enum Scaling: Sendable, Equatable {
    case none
    case linear(factor: Double)
    case dynamic(factor: Double)
    case yarn(
      factor: Double, betaFast: Double, betaSlow: Double, attentionFactor: Double, original: Int,
      truncates: Bool)
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
    let rotary = try RotaryFields(fields)
    theta = rotary.theta
    self.headSize = headSize
    self.maximumPositions = maximumPositions
    scaling =
      try family == .phi3
      ? rotary.longScaling(pairs: headSize / 2, maximumPositions: maximumPositions)
      : rotary.scaling(maximumPositions: maximumPositions)
  }

  /// What cos and sin are multiplied by; 1 but for YaRN and LongRoPE.
  public var attentionScaling: Float {
    switch scaling {
    case .yarn(_, _, _, let factor, _, _): return Float(factor)
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
    case .yarn(let factor, let fast, let slow, _, let original, let truncates):
      let low = dimension(rotations: fast, original: original)
      let high = dimension(rotations: slow, original: original)
      return truncates
        ? ramped(plain, factor: factor, from: low.rounded(.down), to: high.rounded(.up))
        : ramped(plain, factor: factor, from: low, to: high)
    case .longrope(let short, let long, _, let original):
      return zip(plain, length > original ? long : short).map { Float($0 / $1) }
    case .llama3(let factor, let low, let high, let original):
      return llama3(plain, factor: factor, low: low, high: high, original: original)
    }
  }

  /// The dimension that turns so often in the original context, a fraction (YaRN §3.2).
  private func dimension(rotations: Double, original: Int) -> Double {
    Double(headSize) * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(theta))
  }

  /// Interpolates the slow dimensions, keeps the fast ones, ramps between.
  private func ramped(
    _ plain: [Double], factor: Double, from fast: Double, to slow: Double
  ) -> [Float] {
    let low = max(fast, 0)
    var high = min(slow, Double(headSize - 1))
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
