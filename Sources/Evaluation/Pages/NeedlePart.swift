/// Accuracies by depth and length as heat maps, one a system and measure.
func needlePart(_ results: [(name: String, result: NeedleResult)], stem: String?) -> ReportPart {
  let systems = results.map { $0.result.taskSystem }
  let labels = systemLabels(zip(results, systems).map { ($0.name, $1) })
  func percent(_ share: Double?) -> String { share.map { fixed($0 * 100, 1) } ?? "—" }
  let rows = zip(labels, results).map { label, entry in
    let result = entry.result
    return [
      markdownText(label), result.task.rawValue, grouped(result.localTokens),
      grouped(result.answers.count),
      percent(result.share(.correct)), percent(result.share(.first)),
      percent(result.share(.retrieved)),
    ]
  }
  var part = ReportPart(
    markdown: "# Retrieval tests\n\n"
      + markdownTable(
        [
          "system", "task", "local tokens", "questions", "exact, %", "likeliest, %",
          "needle retrieved, %",
        ], rows,
        firstNumber: 2)
      + "\nA number is hidden in a long text that is read segment by segment; the question comes at "
      + "the end. Exact: the greedy answer is the number. Likeliest: it is the likeliest of "
      + "\(NeedleTrial.candidates). Needle retrieved: the question read a chunk that holds it, from memory or "
      + "in its context.\n")
  for (index, (label, entry)) in zip(labels, results).enumerated() {
    let result = entry.result
    let maps: [(NeedleResult.Measure, String)] = [
      (.correct, "exact answers"), (.first, "likeliest of \(NeedleTrial.candidates)"),
      (.retrieved, "needle retrieved"),
    ]
    for (measure, title) in maps where result.share(measure) != nil {
      let map = HeatMap(
        title: "\(result.task.rawValue), \(label): \(title), %", xTitle: "tokens of the text",
        yTitle: "depth of the needle, %", columns: result.lengths.map(grouped),
        rows: result.depths.map { fixed($0 * 100, 0) }, values: result.matrix(measure))
      part.add(
        map.svg, stem: stem, "needle-\(index + 1)-\(measure.rawValue)",
        "\(label): \(title) by depth and length")
    }
  }
  part.markdown += taskSystems(labels, systems)
  return part
}
