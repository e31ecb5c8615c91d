/// Curves over a number, such as a loss over steps; long ones are drawn by the means of equal spans.
struct CurveChart {
  struct Series {
    var label: String
    var points: [(x: Double, y: Double)]
  }

  var title: String
  var xTitle: String
  var series: [Series]
  /// Even where values span more than a factor of 8.
  var isLinear = false

  private static let mostPoints = 300

  var svg: String {
    var canvas = SVGCanvas()
    let drawn = series.map { Self.thinned($0.points.filter { $0.x.isFinite && $0.y.isFinite }) }
    let all = drawn.flatMap { $0 }
    let yScale = ChartScale(all.map(\.y), linear: isLinear)
    let xScale = ChartScale(all.map(\.x), linear: true)
    let letters = yScale.ticks.map { yScale.label($0).count }.max() ?? 0
    let left = max(64, Double(letters) * 7.4 + 16)
    let (top, right) = (52.0, left + 560)
    let bottom = top + 300
    canvas.text(
      yScale.isLogarithmic ? title + " (logarithmic scale)" : title, x: left, y: 30, name: "title")
    canvas.valueAxis(yScale, left: left, right: right, top: top, bottom: bottom)
    for tick in xScale.ticks {
      let x = left + xScale.place(tick) * (right - left)
      canvas.line(x, bottom, x, bottom + 5, "axis")
      canvas.text(xScale.label(tick), x: x, y: bottom + 20, anchor: "middle")
    }
    canvas.text(xTitle, x: (left + right) / 2, y: bottom + 42, anchor: "middle")
    for (index, points) in drawn.enumerated() where !points.isEmpty {
      let colour = LineChart.colours[(index + 3) % LineChart.colours.count]
      canvas.curve(
        points.map {
          (left + xScale.place($0.x) * (right - left), bottom - yScale.place($0.y) * (bottom - top))
        }, colour: colour)
      let y = bottom + 66 + Double(index) * 22
      canvas.curve([(left, y - 4), (left + 32, y - 4)], colour: colour)
      canvas.text(oneLine(series[index].label, limit: 90), x: left + 40, y: y)
    }
    return canvas.svg(
      title: title, width: right + 40, height: bottom + 70 + Double(series.count) * 22)
  }

  static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard points.count > mostPoints else { return points }
    return (0..<mostPoints).map { span in
      let own = points[span * points.count / mostPoints..<(span + 1) * points.count / mostPoints]
      let total = own.reduce((x: 0.0, y: 0.0)) { ($0.x + $1.x, $0.y + $1.y) }
      return (total.x / Double(own.count), total.y / Double(own.count))
    }
  }
}
