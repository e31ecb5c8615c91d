import Glibc

/// Draws tokens from logits: greedy at temperature 0, else from the nucleus (arXiv 1904.09751).
public struct TokenSampler: Sendable {
  public let temperature: Double
  /// The smallest set of most likely tokens that holds this probability is drawn from.
  public let topP: Double
  private var state: UInt64

  /// - Parameters:
  ///   - temperature: ≥ 0; logits are divided by it.
  ///   - topP: in (0, 1].
  public init(temperature: Double, topP: Double, seed: UInt64) {
    precondition(temperature >= 0 && topP > 0 && topP <= 1)
    self.temperature = temperature
    self.topP = topP
    state = seed
  }

  /// A token; of equal logits the lower one comes first.
  public mutating func next(_ logits: [Float]) -> Int32 {
    var best = 0
    for index in logits.indices where logits[index] > logits[best] { best = index }
    guard temperature > 0 else { return Int32(best) }
    let weights = logits.map { exp(Double($0 - logits[best]) / temperature) }
    let order = weights.indices.sorted {
      weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1
    }
    let target = weights.reduce(0, +) * topP
    var (nucleus, mass) = (0, 0.0)
    while nucleus < order.count, mass < target || nucleus == 0 {
      mass += weights[order[nucleus]]
      nucleus += 1
    }
    var draw = uniform() * mass
    for index in order[..<nucleus] {
      draw -= weights[index]
      if draw < 0 { return Int32(index) }
    }
    return Int32(order[nucleus - 1])
  }

  /// In [0, 1): SplitMix64.
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) / Double(1 << 53)
  }
}
