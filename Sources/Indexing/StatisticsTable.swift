extension PlanStatistics.Summary {
  /// The summary for people: aligned lines, ages in chunks.
  public var table: String {
    var table = TextTable()
    table.add("blocks", "\(rows)", "retrieving \(retrievingRows)")
    table.add("hits", "\(hits)")
    table.add("hit age (chunks)", hitAge)
    table.add("chunks before the last block", "\(chunks)")
    table.add("never retrieved", "\(neverRetrieved)", percent(neverRetrievedShare))
    table.add("hits per chunk", hitsPerChunk)
    table.add("live chunks", live)
    table.add("evictions", "\(evictions)", "rows \(evictedRows)")
    table.add("age when evicted (chunks)", evictedAge)
    if let regret {
      table.add("wanted by an unbounded memory", "\(regret.wanted)")
      table.add("  evicted before", "\(regret.evicted)", percent(regret.evictedShare))
      table.add("  blocks that miss some", "\(regret.blocks)", percent(regret.blocksShare))
      table.add("  chunks since the eviction", regret.sinceEviction)
    }
    table.add(histogram: "hit age (chunks)", hitAge)
    if let regret { table.add(histogram: "chunks since the eviction", regret.sinceEviction) }
    return table.text
  }
}

/// Aligned lines of text.
private struct TextTable {
  private(set) var text = ""

  mutating func add(_ label: String, _ value: String, _ remark: String = "") {
    text += padded(label, 30) + leftPadded(value, 12) + (remark.isEmpty ? "" : "  " + remark)
    text += "\n"
  }

  mutating func add(_ label: String, _ summary: Distribution.Summary) {
    guard let mean = summary.mean, let median = summary.median, let maximum = summary.maximum
    else { return add(label, "-") }
    let tail = ["p05", "p95"].map { "\($0) \(summary.quantiles[$0] ?? 0)" }
    let remark = "median \(median)  \(tail.joined(separator: "  "))  max \(maximum)"
    add(label, "mean " + decimal(mean, places: 1), remark)
  }

  mutating func add(histogram label: String, _ summary: Distribution.Summary) {
    guard let peak = summary.histogram.map(\.count).max(), peak > 0 else { return }
    text += "\n\(label)\n"
    for bin in summary.histogram where bin.count > 0 {
      let span = bin.from == bin.to ? "\(bin.from)" : "\(bin.from)–\(bin.to)"
      let bar = String(
        repeating: "#", count: Int((40 * Double(bin.count) / Double(peak)).rounded()))
      text +=
        leftPadded(span, 16) + leftPadded("\(bin.count)", 12) + (bar.isEmpty ? "" : "  " + bar)
      text += "\n"
    }
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

private func leftPadded(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

private func percent(_ share: Double?) -> String {
  share.map { decimal(100 * $0, places: 2) + " %" } ?? ""
}

/// A finite number ≥ 0 with 1 or 2 decimals; Foundation's formatting would cost start-up time.
private func decimal(_ value: Double, places: Int) -> String {
  let unit = places == 1 ? 10.0 : 100.0
  guard value < 1e15 else { return "\(value)" }
  let scaled = Int((value * unit).rounded())
  let fraction = "\(scaled % Int(unit))"
  return "\(scaled / Int(unit))." + String(repeating: "0", count: places - fraction.count)
    + fraction
}
