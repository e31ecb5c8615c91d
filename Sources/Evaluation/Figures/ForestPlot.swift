/// Differences with their intervals, a line each, around zero: lower is better and stands at the left.
struct ForestPlot {
  struct Row {
    var label: String
    var value: Double
    var interval: Interval?
  }

  /// Rows under one heading.
  struct Group {
    var label: String
    var rows: [Row]
  }

  var title: String
  var groups: [Group]

  private static let step = 24.0
  private static let plotWidth = 320.0

  var svg: String {
    let rows = groups.flatMap(\.rows)
    let ends = rows.flatMap { [$0.interval?.lower ?? $0.value, $0.interval?.upper ?? $0.value] }
    let reach = max(1e-6, ends.map(abs).filter(\.isFinite).max() ?? 0) * 1.1
    let words = rows.map(\.label) + groups.map(\.label)
    let left = 32 + (words.map { SVGCanvas.width(oneLine($0, limit: 60)) }.max() ?? 0)
    let middle = left + Self.plotWidth / 2
    let lines = Double(rows.count + groups.count)
    let (top, bottom) = (60.0, 60 + lines * Self.step)
    func x(_ value: Double) -> Double { middle + value / reach * Self.plotWidth / 2 }
    var canvas = SVGCanvas()
    canvas.text(title, x: 16, y: 26, name: "title")
    canvas.text("better", x: middle - 8, y: 50, anchor: "end")
    canvas.text("worse", x: middle + 8, y: 50)
    canvas.line(middle, top - 6, middle, bottom, "axis")
    var y = top
    for group in groups {
      y += Self.step
      canvas.text(oneLine(group.label, limit: 60), x: 16, y: y - 6, name: "title")
      for row in group.rows {
        y += Self.step
        canvas.text(oneLine(row.label, limit: 60), x: 28, y: y - 6)
        draw(row, y: y - 10, x: x, on: &canvas)
        canvas.text(
          withInterval(row.value, row.interval, 4, signed: true),
          x: left + Self.plotWidth + 12, y: y - 6)
      }
    }
    return canvas.svg(
      title: title, width: left + Self.plotWidth + 250, height: bottom + 24)
  }

  /// A filled mark where all of the interval is below zero, a hollow one elsewhere.
  private func draw(
    _ row: Row, y: Double, x: (Double) -> Double, on canvas: inout SVGCanvas
  ) {
    let colour = row.value < 0 ? "#4477AA" : "#EE6677"
    if let interval = row.interval {
      canvas.curve([(x(interval.lower), y), (x(interval.upper), y)], colour: colour)
    }
    let isSure = row.interval.map { $0.upper < 0 } ?? false
    canvas.mark(x: x(row.value), y: y, colour: colour, isFilled: isSure)
  }
}
