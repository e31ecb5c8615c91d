import Glibc

/// A line that says how far a tool is: on a terminal at most 6 times a second, in place; elsewhere, as in
/// a log, a line of its own every 30 seconds.
public final class Progress {
  private let unit: String
  private let total: Int?
  private let first: Int
  private let isShown: Bool
  private let isTerminal: Bool
  private let clock: () -> Double
  private let write: (String) -> Void
  private let start: Double
  private var lastShown: Double
  nonisolated(unsafe) private static var isLineOpen = false

  /// Seconds between two lines.
  static let terminalInterval = 1.0 / 6
  static let logInterval = 30.0

  /// - Parameters:
  ///   - unit: what is counted, plural
  ///   - total: where it is known, gives the time left
  ///   - first: what an earlier run had done, which says nothing of this one's rate
  public convenience init(
    _ unit: String, total: Int? = nil, from first: Int = 0, quiet: Bool = false
  ) {
    self.init(
      unit, total: total, from: first, quiet: quiet, isTerminal: isatty(STDERR_FILENO) == 1,
      clock: monotonicSeconds, write: writeToStandardError)
  }

  /// With something else in place of the terminal, of time and of standard error.
  ///
  /// - Parameters:
  ///   - clock: in seconds
  ///   - write: takes what standard error would get
  public init(
    _ unit: String, total: Int?, from first: Int, quiet: Bool, isTerminal: Bool,
    clock: @escaping () -> Double, write: @escaping (String) -> Void
  ) {
    self.unit = unit
    self.total = total
    self.first = first
    self.isTerminal = isTerminal
    self.clock = clock
    self.write = write
    isShown = !quiet
    start = clock()
    // A terminal shows the first update; a run shorter than the interval leaves a log as it was.
    lastShown = isTerminal ? start - Self.terminalInterval : start
  }

  deinit { finish() }

  /// Shows that `done` units are done, with `note` after the rate.
  public func update(_ done: Int, note: @autoclosure () -> String = "") {
    guard isShown else { return }
    let now = clock()
    guard now - lastShown >= (isTerminal ? Self.terminalInterval : Self.logInterval) else { return }
    lastShown = now
    let line = line(done, rate: Double(done - first) / max(now - start, 1e-9), note: note())
    write(isTerminal ? "\r\u{1b}[K\(line)" : "\(line)\n")
    if isTerminal { Progress.isLineOpen = true }
  }

  private func line(_ done: Int, rate: Double, note: String) -> String {
    let speed = decimal(rate, rate < 10 ? 2 : 0)
    let left = total.flatMap { total in
      done > first && rate > 0 ? Double(max(total - done, 0)) / rate : nil
    }
    let of = total.map { "/\($0)" } ?? ""
    var line = "\(ToolName.current): "
    if isTerminal {
      line += "\(done)\(of) \(unit), \(speed)/s"
      if let left { line += ", \(clockTime(left)) left" }
    } else {
      line += "\(unit) \(done)\(of), \(speed) \(unit)/s"
      if let left { line += ", \(roundTime(left)) left" }
    }
    return note.isEmpty ? line : "\(line), \(note)"
  }

  /// Removes the line.
  public func finish() { if isShown && isTerminal { Progress.clearLine() } }

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

private func clockTime(_ seconds: Double) -> String {
  let total = Int(min(seconds, 1e9))
  let pad = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
  let minutes = "\(total / 60 % 60)"
  if total < 3600 { return "\(minutes):\(pad(total % 60))" }
  return "\(total / 3600):\(pad(total / 60 % 60)):\(pad(total % 60))"
}

/// Of a time that nobody waits for by the second: `40 s`, `2 min`, `3 h 5 min`.
private func roundTime(_ seconds: Double) -> String {
  let minutes = Int((min(seconds, 1e9) / 60).rounded())
  if seconds < 90 { return "\(decimal(seconds, 0)) s" }
  return minutes < 60 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
}
