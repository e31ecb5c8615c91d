/// Counts of whole numbers ≥ 0, from which exact quantiles follow.
public struct Distribution: Sendable {
  private var counts: [Int: Int] = [:]
  public private(set) var total = 0

  public init() {}

  public mutating func add(_ value: Int, times: Int = 1) {
    guard times > 0 else { return }
    counts[value, default: 0] += times
    total += times
  }

  /// What a reader wants to know of it.
  public struct Summary: Codable, Equatable, Sendable {
    public var count: Int
    /// Nil, as all that follow, where nothing was counted.
    public var mean: Double?
    public var minimum: Int?
    public var median: Int?
    public var maximum: Int?
    /// p05 … p99: the smallest value that at least this share of all reaches or stays below.
    public var quantiles: [String: Int]
    /// Bins 0, 1, 2–3, 4–7, … up to the maximum.
    public var histogram: [Bin]
  }

  public struct Bin: Codable, Equatable, Sendable {
    public var from: Int
    /// The last value of the bin.
    public var to: Int
    public var count: Int
  }

  public var summary: Summary {
    let sorted = counts.sorted { $0.key < $1.key }
    var quantiles: [String: Int] = [:]
    for percent in [5, 25, 50, 75, 95, 99] {
      quantiles[(percent < 10 ? "p0" : "p") + "\(percent)"] = Self.quantile(
        sorted, percent: percent, of: total)
    }
    let sum = sorted.reduce(0.0) { $0 + Double($1.key) * Double($1.value) }
    return Summary(
      count: total, mean: total > 0 ? sum / Double(total) : nil, minimum: sorted.first?.key,
      median: quantiles["p50"], maximum: sorted.last?.key, quantiles: quantiles,
      histogram: Self.bins(sorted))
  }

  /// The nearest-rank quantile: the value at rank ⌈percent · total / 100⌉.
  private static func quantile(
    _ sorted: [(key: Int, value: Int)], percent: Int, of total: Int
  ) -> Int? {
    var reached = 0
    for (value, count) in sorted {
      reached += count
      if reached * 100 >= percent * total { return value }
    }
    return nil
  }

  private static func bins(_ sorted: [(key: Int, value: Int)]) -> [Bin] {
    guard let largest = sorted.last?.key else { return [] }
    var bins = [Bin(from: 0, to: 0, count: 0)]
    while bins[bins.count - 1].to < largest {
      let from = bins[bins.count - 1].to + 1
      bins.append(Bin(from: from, to: from + (from - 1), count: 0))
    }
    // Bin b ≥ 1 begins at 2^(b − 1), so a value's bin is the number of its binary digits.
    for (value, count) in sorted { bins[Int.bitWidth - value.leadingZeroBitCount].count += count }
    return bins
  }
}
