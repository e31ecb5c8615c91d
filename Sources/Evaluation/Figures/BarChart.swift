/// Groups of bars from zero on, with an interval on each and a legend below.
struct BarChart {
  struct Series {
    var label: String
    /// One a group, ≥ 0; nil leaves a gap.
    var values: [Double?]
    /// Of each value; empty where none is shown.
    var intervals: [Interval?] = []
  }

  var title: String
  var yTitle: String
  var xTitle: String
  var groups: [String]
  var series: [Series]
  /// A value that is marked across, such as chance.
  var reference: (value: Double, label: String)?
  var decimals = 1

  private static let barWidth = 22.0

  var svg: String {
    var canvas = SVGCanvas()
    let tops = series.flatMap { series in
      series.values.indices.compactMap { index in
        series.values[index].map { max($0, interval(series, index)?.upper ?? 0) }
      }
    }
    let scale = ChartScale([0, max(1e-9, tops.filter(\.isFinite).max() ?? 1)], linear: true)
    let groupWidth = max(
      Double(series.count) * Self.barWidth + 24, (groups.map(SVGCanvas.width).max() ?? 0) + 12)
    let (left, top) = (64.0, 66.0)
    let right = left + max(320, groupWidth * Double(groups.count))
    let bottom = top + 260
    let step = (right - left) / Double(max(1, groups.count))
    canvas.text(title, x: left, y: 30, name: "title")
    canvas.text(yTitle, x: left - 48, y: 52)
    canvas.valueAxis(scale, left: left, right: right, top: top, bottom: bottom)
    for (group, name) in groups.enumerated() {
      let middle = left + (Double(group) + 0.5) * step
      canvas.text(name, x: middle, y: bottom + 20, anchor: "middle")
      for (index, series) in series.enumerated() {
        guard group < series.values.count, let value = series.values[group] else { continue }
        let x = middle + (Double(index) - Double(self.series.count) / 2) * Self.barWidth
        draw(
          value, interval(series, group), series, index, x: x, bottom: bottom, top: top, scale,
          group: name, on: &canvas)
      }
    }
    if let reference, reference.value <= scale.ticks.last ?? 0 {
      let y = bottom - scale.place(reference.value) * (bottom - top)
      canvas.line(left, y, right, y, "axis")
      canvas.text(reference.label, x: right + 6, y: y + 4)
    }
    canvas.text(xTitle, x: (left + right) / 2, y: bottom + 42, anchor: "middle")
    let isAlone = series.count == 1 && series[0].label.isEmpty
    for (index, series) in series.enumerated() where !isAlone {
      let y = bottom + 66 + Double(index) * 22
      canvas.rectangle(
        x: left, y: y - 11, width: 14, height: 14, fill: colour(index), label: series.label)
      canvas.text(oneLine(series.label, limit: 90), x: left + 22, y: y + 1)
    }
    let labels = series.map { SVGCanvas.width($0.label) + left + 30 }.max() ?? 0
    let beside = reference.map { SVGCanvas.width($0.label) + 12 } ?? 24
    return canvas.svg(
      title: title, width: max(right + beside, labels, left + Double(title.count) * 9),
      height: bottom + 60 + (isAlone ? 0 : Double(series.count) * 22 + 10))
  }

  private func draw(
    _ value: Double, _ interval: Interval?, _ series: Series, _ index: Int, x: Double,
    bottom: Double, top: Double, _ scale: ChartScale, group: String, on canvas: inout SVGCanvas
  ) {
    let height = scale.place(value) * (bottom - top)
    canvas.rectangle(
      x: x + 2, y: bottom - height, width: Self.barWidth - 4, height: height, fill: colour(index),
      label: "\(series.label)\(series.label.isEmpty ? "" : ", ")\(group): "
        + withInterval(value, interval, decimals))
    guard let interval, interval.upper > interval.lower else { return }
    let ends = [interval.lower, interval.upper].map {
      bottom - max(0, scale.place($0)) * (bottom - top)
    }
    canvas.line(x + Self.barWidth / 2, ends[0], x + Self.barWidth / 2, ends[1], "axis")
  }

  private func interval(_ series: Series, _ index: Int) -> Interval? {
    index < series.intervals.count ? series.intervals[index] : nil
  }

  private func colour(_ index: Int) -> String {
    let colours = ["#4477AA", "#EE6677", "#228833", "#CC8B00", "#66CCEE", "#AA3377", "#808080"]
    // More than are told apart at a glance: around the circle, light and dark in turn.
    return series.count <= colours.count
      ? colours[index]
      : "hsl(\(index * 360 / series.count),55%,\(index % 2 == 0 ? 42 : 62)%)"
  }
}
