import ArgumentParser
import Safetensors

/// How to stretch the rotary embedding of a model for longer contexts: `linear:4` and the like.
public struct RopeScaling: ExpressibleByArgument, Sendable, Equatable {
  public enum Kind: String, CaseIterable, Sendable {
    /// Position interpolation (arXiv 2306.15595).
    case linear
    /// NTK-aware, its base growing with the text.
    case dynamic
    /// arXiv 2309.00071
    case yarn
  }

  public let kind: Kind
  public let factor: Double
  /// As it was given.
  public let name: String

  public init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])),
      let factor = Double(parts[1]), (1...10_000).contains(factor)
    else { return nil }
    self.kind = kind
    self.factor = factor
    name = argument
  }

  /// The value of Hugging Face's `rope_scaling`.
  var json: JSONValue { ["rope_type": .string(kind.rawValue), "factor": .number(factor)] }
}
