#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Lines over categories, with a legend beside the plot. Every size is computed from the number
/// and length of the labels, so that none overlaps. Colours are Tol's "bright" scheme, which
/// colour-blind readers tell apart and which shows on white and on near-black; each also has its
/// own marker.
struct LineChart {
  struct Series {
    enum Dash {
      /// Dashed, with hollow markers.
      case base
      /// The n-th other system: filled markers, 0 and 1 solid.
      case other(Int)
    }

    var label: String
    /// One a category; nil or infinite leaves a gap.
    var values: [Double?]
    /// 0 ..< 6: the colour and the marker.
    var hue: Int
    var dash: Dash
    /// One a category, drawn as upright bars; empty where none is shown.
    var intervals: [Interval?] = []
  }

  private let title: String
  private let xTitle: String
  private let categories: [String]
  private let series: [Series]
  private let scale: ChartScale
  /// Of the plot, wide enough for the tick labels.
  private let left: Double

  init(title: String, xTitle: String, categories: [String], series: [Series]) {
    self.xTitle = xTitle
    self.categories = categories
    self.series = series
    let ends = series.flatMap(\.intervals).compactMap { $0 }.flatMap { [$0.lower, $0.upper] }
    let scale = ChartScale(
      (series.flatMap(\.values).compactMap { $0 } + ends).filter(\.isFinite))
    self.scale = scale
    self.title = scale.isLogarithmic ? "\(title) (logarithmic scale)" : title
    let letters = scale.ticks.map { scale.label($0).count }.max() ?? 0
    left = max(64, Double(letters) * 7.4 + 16)
  }

  static let colours = ["#808080", "#CC8B00", "#EE6677", "#4477AA", "#228833", "#AA3377"]
  private static let top = 52.0
  private static let legendStep = 24.0

  private var plotWidth: Double { max(360, Double(categories.count) * 64) }
  private var plotHeight: Double { max(300, Double(series.count) * Self.legendStep) }
  private var right: Double { left + plotWidth }
  private var bottom: Double { Self.top + plotHeight }
  private var width: Double {
    // An upper estimate: 12 px sans-serif letters are 6 to 7 wide, ideographs 12.
    let widths = series.map { shown($0.label).reduce(0) { $0 + ($1.isASCII ? 7.4 : 12) } }
    return max(right + 72 + (widths.max() ?? 0), left + Double(title.count) * 9)
  }
  private var height: Double { bottom + 56 }

  private func shown(_ label: String) -> String { oneLine(label, limit: 90) }

  /// A complete SVG 1.1 document.
  var svg: String {
    let size = "\(fixed(width.rounded(.up), 0))\" height=\"\(fixed(height.rounded(.up), 0))"
    let box = "0 0 \(fixed(width.rounded(.up), 0)) \(fixed(height.rounded(.up), 0))"
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(size)\" viewBox=\"\(box)\" role=\"img\">",
      "<title>\(xmlText(title))</title>",
      Self.style,
      "<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>",
      text(title, x: left, y: 30, "title"),
    ]
    lines += yAxis() + xAxis()
    for (index, line) in series.enumerated() { lines += drawing(of: line, index) }
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  /// The viewer's dark mode where it tells; else a white card, readable on any page.
  static let style = """
    <style>
    text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
    .title { font-size: 15px; font-weight: 600 }
    .paper, .hollow { fill: #ffffff }
    .grid { stroke: #d8dee4; stroke-width: 1 }
    .axis { stroke: #59636e; stroke-width: 1 }
    .curve { fill: none; stroke-width: 2; stroke-linejoin: round }
    @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .paper, .hollow { fill: #0d1117 }
    .grid { stroke: #30363d }
    .axis { stroke: #9198a1 }
    }
    </style>
    """

  private func yAxis() -> [String] {
    scale.ticks.flatMap { tick -> [String] in
      let y = bottom - scale.place(tick) * plotHeight
      return [
        line(left, y, right, y, tick == 0 ? "axis" : "grid"),
        text(scale.label(tick), x: left - 8, y: y + 4, anchor: "end"),
      ]
    }
  }

  private func xAxis() -> [String] {
    var lines = [line(left, bottom, right, bottom, "axis")]
    for (index, category) in categories.enumerated() {
      let x = place(index)
      lines.append(line(x, bottom, x, bottom + 5, "axis"))
      lines.append(text(category, x: x, y: bottom + 20, anchor: "middle"))
    }
    lines.append(text(xTitle, x: (left + right) / 2, y: bottom + 42, anchor: "middle"))
    return lines
  }

  private func place(_ category: Int) -> Double {
    left + (Double(category) + 0.5) * plotWidth / Double(max(1, categories.count))
  }

  private func drawing(of line: Series, _ index: Int) -> [String] {
    let colour = Self.colours[line.hue % Self.colours.count]
    var path = ""
    var markers: [String] = []
    var isDrawing = false
    for (category, value) in line.values.enumerated() {
      guard let value, value.isFinite else {
        isDrawing = false
        continue
      }
      let (x, y) = (place(category), bottom - scale.place(value) * plotHeight)
      path += "\(isDrawing ? "L" : "M")\(fixed(x, 1)) \(fixed(y, 1))"
      isDrawing = true
      markers.append(marker(line, x, y, colour))
      if category < line.intervals.count, let interval = line.intervals[category] {
        // Side by side, so that systems' intervals do not hide each other.
        let aside = x + (Double(index) - Double(series.count - 1) / 2) * 3
        markers.append(bar(interval, x: aside, colour))
      }
    }
    let legendX = right + 20
    let legendY = Self.top + 8 + Double(index) * Self.legendStep
    path += "M\(fixed(legendX, 1)) \(fixed(legendY, 1))L\(fixed(legendX + 32, 1)) "
    path += fixed(legendY, 1)
    markers.append(marker(line, legendX + 16, legendY, colour))
    return [
      "<g><title>\(xmlText(shown(line.label)))</title>",
      "<path class=\"curve\" stroke=\"\(colour)\"\(dashes(line.dash)) d=\"\(path)\"/>",
    ] + markers + [text(shown(line.label), x: legendX + 40, y: legendY + 4), "</g>"]
  }

  private func bar(_ interval: Interval, x: Double, _ colour: String) -> String {
    guard interval.lower.isFinite, interval.upper.isFinite else { return "" }
    let ends = [interval.lower, interval.upper].map {
      fixed(bottom - scale.place($0) * plotHeight, 1)
    }
    return
      "<path stroke=\"\(colour)\" stroke-width=\"1.6\" stroke-opacity=\"0.45\" d=\"M\(fixed(x, 1)) \(ends[0])"
      + "V\(ends[1])\"/>"
  }

  private func dashes(_ dash: Series.Dash) -> String {
    let patterns = ["2 3", "9 3 2 3", "12 3"]
    switch dash {
    case .base: return " stroke-dasharray=\"6 4\""
    case .other(let number) where number < 2: return ""
    case .other(let number):
      return " stroke-dasharray=\"\(patterns[(number - 2) % patterns.count])\""
    }
  }

  /// Circle, square, triangle, diamond, inverted triangle or bow.
  private func marker(_ line: Series, _ x: Double, _ y: Double, _ colour: String) -> String {
    var paint = "fill=\"\(colour)\""
    if case .base = line.dash { paint = "class=\"hollow\" stroke-width=\"1.6\"" }
    paint += " stroke=\"\(colour)\""
    let corners: [(Double, Double)]
    switch line.hue % Self.colours.count {
    case 0: return "<circle cx=\"\(fixed(x, 1))\" cy=\"\(fixed(y, 1))\" r=\"4\" \(paint)/>"
    case 1: corners = [(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)]
    case 2: corners = [(0, -4.8), (4.6, 3.4), (-4.6, 3.4)]
    case 3: corners = [(0, -5), (5, 0), (0, 5), (-5, 0)]
    case 4: corners = [(0, 4.8), (4.6, -3.4), (-4.6, -3.4)]
    default: corners = [(-4.2, -4), (4.2, 4), (4.2, -4), (-4.2, 4)]
    }
    let points = corners.map { "\(fixed(x + $0, 1)),\(fixed(y + $1, 1))" }
    return "<polygon points=\"\(points.joined(separator: " "))\" \(paint)/>"
  }

  private func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ name: String
  ) -> String {
    "<line class=\"\(name)\" x1=\"\(fixed(x1, 1))\" y1=\"\(fixed(y1, 1))\" "
      + "x2=\"\(fixed(x2, 1))\" y2=\"\(fixed(y2, 1))\"/>"
  }

  private func text(
    _ words: String, x: Double, y: Double, _ name: String? = nil, anchor: String = "start"
  ) -> String {
    let style = name.map { " class=\"\($0)\"" } ?? ""
    return "<text\(style) x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" text-anchor=\"\(anchor)\">"
      + "\(xmlText(words))</text>"
  }
}

/// Where a value is between the lowest and the highest tick: linear, or logarithmic where the
/// values span more than a factor of 8.
struct ChartScale {
  let ticks: [Double]
  let isLogarithmic: Bool
  private let decimals: Int

  /// - Parameter linear: even where the values span more.
  init(_ values: [Double], linear: Bool = false) {
    var low = values.min() ?? 0
    var high = values.max() ?? 1
    isLogarithmic = !linear && low > 0 && high / low > 8
    if isLogarithmic {
      let first = Int(log10(low).rounded(.down))
      let last = Int(log10(high).rounded(.up))
      let all = (first...last).flatMap { power in [1, 2, 5].map { $0 * pow(10, Double(power)) } }
      let below = all.lastIndex { $0 <= low } ?? 0
      let above = all.firstIndex { $0 >= high } ?? all.count - 1
      let kept = Array(all[below...above])
      // At most about a dozen ticks, the highest among them.
      let step = (kept.count + 11) / 12
      ticks = kept.indices.filter { (kept.count - 1 - $0) % step == 0 || $0 == 0 }.map { kept[$0] }
      decimals = max(0, -first)
      return
    }
    if high <= low {
      low -= max(0.5, abs(low) * 0.05)
      high += max(0.5, abs(high) * 0.05)
    }
    let magnitude = pow(10, log10((high - low) / 6).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * magnitude }.first { $0 >= (high - low) / 6 } ?? magnitude
    let first = (low / step).rounded(.down)
    let last = (high / step).rounded(.up)
    ticks = stride(from: first, through: last, by: 1).map { $0 * step }
    decimals = max(0, Int((-log10(step * 1.0001)).rounded(.up)))
  }

  /// 0 at the lowest tick, 1 at the highest.
  func place(_ value: Double) -> Double {
    guard let low = ticks.first, let high = ticks.last, high > low else { return 0.5 }
    return isLogarithmic
      ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  func label(_ tick: Double) -> String { fixed(tick, min(decimals, 6)) }
}

/// Text for XML: marked-up characters escaped, what XML 1.0 forbids left out.
func xmlText(_ text: String) -> String {
  var escaped = ""
  for scalar in oneLine(text).unicodeScalars {
    switch scalar {
    case "&": escaped += "&amp;"
    case "<": escaped += "&lt;"
    case ">": escaped += "&gt;"
    case "\"": escaped += "&quot;"
    case "\u{FFFE}", "\u{FFFF}": break
    default: escaped.unicodeScalars.append(scalar)
    }
  }
  return escaped
}
