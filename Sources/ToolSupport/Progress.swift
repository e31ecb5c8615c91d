import Glibc

/// A line on the terminal that says how far a tool is: at most 6 times a second, only where
/// standard error is a terminal.
public final class Progress {
  private let unit: String
  private let total: Int?
  private let first: Int
  private let isShown: Bool
  private let start = monotonicSeconds()
  private var lastShown = 0.0
  nonisolated(unsafe) private static var isLineOpen = false

  /// - Parameters:
  ///   - unit: what is counted, plural
  ///   - total: where it is known, gives the time left
  ///   - first: what an earlier run had done, which says nothing of this one's rate
  public init(_ unit: String, total: Int? = nil, from first: Int = 0, quiet: Bool = false) {
    self.unit = unit
    self.total = total
    self.first = first
    isShown = !quiet && isatty(STDERR_FILENO) == 1
  }

  deinit { finish() }

  /// Shows that `done` units are done, with `note` after the rate.
  public func update(_ done: Int, note: @autoclosure () -> String = "") {
    guard isShown else { return }
    let now = monotonicSeconds()
    guard now - lastShown >= 1.0 / 6 else { return }
    lastShown = now
    let rate = Double(done - first) / max(now - start, 1e-9)
    var line = "\(ToolName.current): \(done)"
    if let total { line += "/\(total)" }
    line += " \(unit), \(decimal(rate, rate < 10 ? 2 : 0))/s"
    if let total, done > first, rate > 0 {
      line += ", \(clock(Double(max(total - done, 0)) / rate)) left"
    }
    let note = note()
    if !note.isEmpty { line += ", \(note)" }
    writeToStandardError("\r\u{1b}[K\(line)")
    Progress.isLineOpen = true
  }

  /// Removes the line.
  public func finish() { if isShown { Progress.clearLine() } }

  static func clearLine() {
    guard isLineOpen else { return }
    isLineOpen = false
    writeToStandardError("\r\u{1b}[K")
  }
}

/// The closing line of cost on standard error:
/// `ml-embed: 5512 rows, 705536 tokens, 12.31 s, 57314 tokens/s, 312 MB peak memory`.
public struct CostLine {
  private let start = monotonicSeconds()

  /// Starts the clock.
  public init() {}

  public var seconds: Double { monotonicSeconds() - start }

  public func text(rows: Int? = nil, tokens: Int? = nil, others: [String] = []) -> String {
    let seconds = self.seconds
    var parts = others
    if let rows { parts.append("\(rows) rows") }
    if let tokens { parts.append("\(tokens) tokens") }
    parts.append("\(decimal(seconds, 2)) s")
    if let tokens { parts.append("\(decimal(Double(tokens) / max(seconds, 1e-9), 0)) tokens/s") }
    parts.append("\(peakMemory() / 1_000_000) MB peak memory")
    return parts.joined(separator: ", ")
  }

  public func print(
    rows: Int? = nil, tokens: Int? = nil, others: [String] = [], options: CommonOptions
  ) {
    options.note(text(rows: rows, tokens: tokens, others: others))
  }
}

/// Seconds on a clock that never goes back.
public func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// The most memory that the process has held, in bytes.
public func peakMemory() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1024
}

/// A number with `digits` after the point.
public func decimal(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  let scale = (0..<digits).reduce(1) { scale, _ in scale * 10 }
  let scaled = Int((abs(value) * Double(scale)).rounded())
  let sign = value < 0 && scaled > 0 ? "-" : ""
  if digits == 0 { return "\(sign)\(scaled)" }
  let fraction = String(scaled % scale)
  return "\(sign)\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count)
    + fraction
}

private func clock(_ seconds: Double) -> String {
  let total = Int(min(seconds, 1e9))
  let pad = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
  let minutes = "\(total / 60 % 60)"
  if total < 3600 { return "\(minutes):\(pad(total % 60))" }
  return "\(total / 3600):\(pad(total / 60 % 60)):\(pad(total % 60))"
}
