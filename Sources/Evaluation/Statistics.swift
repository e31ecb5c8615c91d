/// A cluster's share of a ratio estimate: a sum, and the number of tokens it is a sum over.
public struct ClusterSum: Equatable, Sendable {
  public var sum: Double
  public var tokens: Int

  public init(sum: Double = 0, tokens: Int = 0) {
    self.sum = sum
    self.tokens = tokens
  }

  public static func + (a: Self, b: Self) -> Self {
    Self(sum: a.sum + b.sum, tokens: a.tokens + b.tokens)
  }
}

public struct Interval: Equatable, Sendable {
  public var lower: Double
  public var upper: Double

  public init(lower: Double, upper: Double) {
    self.lower = lower
    self.upper = upper
  }

  public func contains(_ value: Double) -> Bool { lower <= value && value <= upper }

  func map(_ transform: (Double) -> Double) -> Self {
    Self(lower: transform(lower), upper: transform(upper))
  }
}

/// The percentile bootstrap (Efron and Tibshirani 1993, §13.3) of a mean per token over clusters.
///
/// Tokens of one document depend on each other, so whole clusters are drawn with replacement, and
/// each resample's estimate is its sum over its tokens. The same seed draws the same clusters for
/// every system, so the result is deterministic and systems are compared on common draws.
public struct Bootstrap: Equatable, Sendable {
  public var resamples: Int
  public var seed: Int
  /// The share of resamples between the ends: 0.95.
  public var level: Double

  public init(resamples: Int = 1000, seed: Int = 1, level: Double = 0.95) {
    precondition(resamples > 0 && level > 0 && level < 1)
    self.resamples = resamples
    self.seed = seed
    self.level = level
  }

  /// The interval of Σ sum / Σ tokens. nil with fewer than two clusters that have tokens: one
  /// cluster says nothing of how clusters vary.
  public func interval(of clusters: [ClusterSum]) -> Interval? {
    let clusters = clusters.filter { $0.tokens > 0 }
    guard clusters.count >= 2 else { return nil }
    var generator = SplitMix64(seed: UInt64(bitPattern: Int64(seed)))
    var means: [Double] = []
    means.reserveCapacity(resamples)
    for _ in 0..<resamples {
      var total = ClusterSum()
      for _ in clusters.indices {
        total = total + clusters[generator.index(below: clusters.count)]
      }
      means.append(total.sum / Double(total.tokens))
    }
    means.sort()
    let tail = (1 - level) / 2
    return Interval(lower: quantile(tail, of: means), upper: quantile(1 - tail, of: means))
  }

  /// Linear interpolation between order statistics (Hyndman and Fan's type 7, numpy's default).
  private func quantile(_ q: Double, of sorted: [Double]) -> Double {
    let place = q * Double(sorted.count - 1)
    let below = min(Int(place), sorted.count - 1)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
  }
}

/// Steele, Lea and Flood's generator: small, seeded, the same on every platform.
struct SplitMix64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// 0 ..< count by the high half of a 64 × 64 product; the bias is below count / 2^64.
  mutating func index(below count: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(count)).high)
  }
}
