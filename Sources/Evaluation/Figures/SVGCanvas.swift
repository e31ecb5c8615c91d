/// The parts that figures are drawn of, in the style of ``LineChart``.
struct SVGCanvas {
  private var lines: [String] = []

  mutating func text(
    _ words: String, x: Double, y: Double, anchor: String = "start", name: String = "",
    fill: String? = nil
  ) {
    let style = name.isEmpty ? "" : " class=\"\(name)\""
    // A style, since the sheet's colour is stronger than an attribute.
    let paint = fill.map { " style=\"fill:\($0)\"" } ?? ""
    lines.append(
      "<text\(style)\(paint) x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" text-anchor=\"\(anchor)\">"
        + "\(xmlText(words))</text>")
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ name: String) {
    lines.append(
      "<line class=\"\(name)\" x1=\"\(fixed(x1, 1))\" y1=\"\(fixed(y1, 1))\" "
        + "x2=\"\(fixed(x2, 1))\" y2=\"\(fixed(y2, 1))\"/>")
  }

  /// - Parameter label: what a pointer over it shows.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, fill: String, label: String
  ) {
    lines.append(
      "<rect x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" width=\"\(fixed(width, 1))\" "
        + "height=\"\(fixed(max(0, height), 1))\" fill=\"\(fill)\"><title>\(xmlText(label))</title>"
        + "</rect>")
  }

  mutating func curve(_ points: [(x: Double, y: Double)], colour: String) {
    let path = points.enumerated().map { index, point in
      "\(index == 0 ? "M" : "L")\(fixed(point.x, 1)) \(fixed(point.y, 1))"
    }.joined()
    lines.append("<path class=\"curve\" stroke=\"\(colour)\" d=\"\(path)\"/>")
  }

  /// A square on its point, hollow or filled.
  mutating func mark(x: Double, y: Double, colour: String, isFilled: Bool) {
    let path =
      "M\(fixed(x - 6, 1)) \(fixed(y, 1))L\(fixed(x, 1)) \(fixed(y - 6, 1))"
      + "L\(fixed(x + 6, 1)) \(fixed(y, 1))L\(fixed(x, 1)) \(fixed(y + 6, 1))Z"
    // A style, since the sheet leaves curves unfilled.
    let fill = isFilled ? " style=\"fill:\(colour)\"" : " style=\"fill:none\""
    lines.append("<path class=\"curve\" stroke=\"\(colour)\"\(fill) d=\"\(path)\"/>")
  }

  /// The axis of values at the left of a plot, with lines across.
  mutating func valueAxis(
    _ scale: ChartScale, left: Double, right: Double, top: Double, bottom: Double
  ) {
    for tick in scale.ticks {
      let y = bottom - scale.place(tick) * (bottom - top)
      line(left, y, right, y, "grid")
      text(scale.label(tick), x: left - 8, y: y + 4, anchor: "end")
    }
    line(left, bottom, right, bottom, "axis")
  }

  /// A complete SVG 1.1 document.
  func svg(title: String, width: Double, height: Double) -> String {
    let (w, h) = (fixed(width.rounded(.up), 0), fixed(height.rounded(.up), 0))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(w)" height="\(h)" viewBox="0 0 \(w) \(h)" role="img">
      <title>\(xmlText(title))</title>
      \(LineChart.style)
      <rect class="paper" width="100%" height="100%" rx="6"/>
      \(lines.joined(separator: "\n"))
      </svg>

      """
  }

  /// About how wide a text is: 12 px letters are 6 to 7 wide, ideographs 12.
  static func width(_ text: String) -> Double { text.reduce(0) { $0 + ($1.isASCII ? 7.4 : 12) } }
}
