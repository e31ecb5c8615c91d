#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A number with `digits` decimals and a point, whatever the locale; from 10^9 on, a power of ten.
func fixed(_ value: Double, _ digits: Int, signed: Bool = false) -> String {
  guard value.isFinite else { return value.isNaN ? "—" : value < 0 ? "-∞" : "∞" }
  let size = abs(value)
  if size >= 1e9 {
    let exponent = log10(size).rounded(.down)
    return fixed(value / pow(10, exponent), 2, signed: signed) + "e+\(Int(exponent))"
  }
  let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
  let scaled = UInt64((size * scale).rounded())
  let sign = scaled > 0 && value < 0 ? "-" : signed ? "+" : ""
  guard digits > 0 else { return "\(sign)\(scaled)" }
  let fraction = String(scaled % UInt64(scale))
  let zeros = String(repeating: "0", count: digits - fraction.count)
  return "\(sign)\(scaled / UInt64(scale)).\(zeros)\(fraction)"
}

/// 1234567 as 1,234,567.
func grouped(_ value: Int) -> String {
  let digits = Array(String(value.magnitude))
  var text = value < 0 ? "-" : ""
  for (index, digit) in digits.enumerated() {
    if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
    text.append(digit)
  }
  return text
}

/// "value [lower, upper]", or the value alone where there is no interval.
func withInterval(
  _ value: Double, _ interval: Interval?, _ digits: Int, signed: Bool = false
) -> String {
  let text = fixed(value, digits, signed: signed)
  guard let interval else { return text }
  return text + " [\(fixed(interval.lower, digits, signed: signed)), "
    + "\(fixed(interval.upper, digits, signed: signed))]"
}

/// A text from a file on one line of at most 300 characters.
func oneLine(_ text: String, limit: Int = 300) -> String {
  var line = ""
  for scalar in text.unicodeScalars {
    if line.unicodeScalars.count == limit { return line + "…" }
    let isBreak = scalar.value == 0x2028 || scalar.value == 0x2029
    let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    line.unicodeScalars.append(isControl || isBreak ? " " : scalar)
  }
  return line
}

func shortDigest(_ digest: String) -> String { oneLine(String(digest.prefix(12))) }

/// A text from a file as Markdown that shows it and means nothing else.
func markdownText(_ text: String) -> String {
  var escaped = ""
  for character in oneLine(text) {
    if "\\|<>`*[]&#".contains(character) { escaped.append("\\") }
    escaped.append(character)
  }
  return escaped
}

/// A Markdown table; numbers to the right from column `firstNumber` on.
func markdownTable(_ header: [String], _ rows: [[String]], firstNumber: Int) -> String {
  let rules = header.indices.map { $0 < firstNumber ? "---" : "---:" }
  return ([header, rules] + rows).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
}

/// A word as a shell reads it back.
func shellQuoted(_ word: String) -> String {
  let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,+@%-"
  if !word.isEmpty && word.allSatisfy({ plain.contains($0) }) { return word }
  return "'"
    + oneLine(word, limit: .max).split(separator: "'", omittingEmptySubsequences: false)
    .joined(separator: #"'\''"#) + "'"
}
