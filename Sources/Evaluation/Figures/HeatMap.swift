/// A matrix of shares from 0 to 1, each cell coloured and labelled.
struct HeatMap {
  var title: String
  var xTitle: String
  var yTitle: String
  var columns: [String]
  var rows: [String]
  /// [rows][columns]; nil where nothing was measured.
  var values: [[Double?]]

  private static let cell = (width: 62.0, height: 30.0)

  var svg: String {
    var canvas = SVGCanvas()
    let left = 40 + (rows.map(SVGCanvas.width).max() ?? 0)
    let top = 84.0
    canvas.text(title, x: 16, y: 30, name: "title")
    canvas.text(yTitle, x: 16, y: 60)
    for (column, name) in columns.enumerated() {
      let x = left + (Double(column) + 0.5) * Self.cell.width
      canvas.text(name, x: x, y: top - 8, anchor: "middle")
    }
    for (row, name) in rows.enumerated() {
      let y = top + Double(row) * Self.cell.height
      canvas.text(name, x: left - 8, y: y + 20, anchor: "end")
      for (column, value) in values[row].enumerated() {
        let x = left + Double(column) * Self.cell.width
        let label = "\(columns[column]), \(name)"
        guard let value else { continue }
        canvas.rectangle(
          x: x + 1, y: y + 1, width: Self.cell.width - 2, height: Self.cell.height - 2,
          fill: Self.colour(value), label: "\(label): \(fixed(value * 100, 0)) %")
        canvas.text(
          fixed(value * 100, 0), x: x + Self.cell.width / 2, y: y + 20, anchor: "middle",
          fill: value < 0.6 ? "#ffffff" : "#1f2328")
      }
    }
    let right = left + Double(columns.count) * Self.cell.width
    let bottom = top + Double(rows.count) * Self.cell.height
    canvas.text(xTitle, x: (left + right) / 2, y: bottom + 24, anchor: "middle")
    return canvas.svg(
      title: title,
      width: max(right + 24, 16 + Double(title.count) * 9.5, left + SVGCanvas.width(xTitle)),
      height: bottom + 40)
  }

  /// From dark blue by green to yellow (viridis at five points): light and dark tell it as well.
  static func colour(_ share: Double) -> String {
    let stops: [(Double, Double, Double)] = [
      (68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37),
    ]
    let place = min(max(share, 0), 1) * Double(stops.count - 1)
    let below = min(Int(place), stops.count - 2)
    let part = place - Double(below)
    let (a, b) = (stops[below], stops[below + 1])
    let mixed = [(a.0, b.0), (a.1, b.1), (a.2, b.2)].map { from, to in
      Int((from + (to - from) * part).rounded())
    }
    return "rgb(\(mixed[0]),\(mixed[1]),\(mixed[2]))"
  }
}
