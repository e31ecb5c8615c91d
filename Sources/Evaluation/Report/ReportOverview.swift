/// Several sets of texts (or windows of several lengths) side by side.
struct ReportOverview {
  /// The sets in the order of the columns, by what they are called.
  let sets: [(name: String, report: Report)]

  /// The first part of a report of several sets.
  func part(title: String, stem: String?) -> ReportPart {
    var part = ReportPart(
      markdown: "# \(markdownText(title))\n\n" + setTable
        + "\n## Perplexity per token\n\n" + perplexityTable + "\n"
        + Report.notes(of: sets.map(\.report)))
    part.add(chart.svg, stem: stem, "sets", "Perplexity per token by set of texts")
    if !differenceTable.isEmpty {
      part.markdown +=
        "\n## What retrieval brings\n\n"
        + "Δ nll per token to the same system with the memory off or with other chunks, over all "
        + "scored tokens of each set; by position below.\n\n" + differenceTable
    }
    return part
  }

  private var setTable: String {
    let rows = sets.map { name, report in
      let result = report.rows[0].result
      return [
        markdownText(name), code(shortDigest(result.chunksDigest)), result.protocolName,
        grouped(result.documents.count), grouped(result.tokens), grouped(result.scoredTokens),
        grouped(result.words), grouped(result.bytes),
      ]
    }
    return markdownTable(
      ["texts", "chunks", "protocol", "documents", "tokens", "scored tokens", "words", "bytes"],
      rows, firstNumber: 3)
  }

  /// Labels of all systems, as they first come.
  private var labels: [String] {
    sets.flatMap { $0.report.rows.map(\.label) }.reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }
  }

  private func row(_ label: String, in report: Report) -> Report.Row? {
    report.rows.first { $0.label == label }
  }

  private var perplexityTable: String {
    let rows = labels.map { label in
      let own = sets.map { row(label, in: $0.report) }
      return [markdownText(label) + (own.compactMap { $0?.mark }.first ?? "")]
        + own.map { row in
          row.map {
            withInterval(
              $0.result.overall.perplexity, $0.result.overall.perplexityInterval, 2)
          } ?? "—"
        }
    }
    return markdownTable(["system"] + sets.map { markdownText($0.name) }, rows, firstNumber: 1)
  }

  /// A group of bars for each set.
  private var chart: BarChart {
    BarChart(
      title: "Perplexity per token by set of texts", yTitle: "perplexity", xTitle: "texts",
      groups: sets.map { oneLine($0.name, limit: 40) },
      series: labels.map { label in
        let own = sets.map { row(label, in: $0.report)?.result.overall }
        return BarChart.Series(
          label: label, values: own.map { $0?.perplexity },
          intervals: own.map { $0?.perplexityInterval })
      })
  }

  /// Empty where no set has a pair.
  private var differenceTable: String {
    var pairs: [String] = []
    for pair in sets.flatMap(\.report.retrievalPairs) where !pairs.contains(pair.label) {
      pairs.append(pair.label)
    }
    let units = [ClusterKind.documents, .segments].filter { unit in
      sets.contains { $0.report.units.contains(unit) }
    }
    let rows = pairs.flatMap { label in
      units.map { unit in
        let cells = sets.map { set in
          set.report.retrievalPairs.first { $0.label == label }.map {
            (mark: $0.own.mark, cell: set.report.differenceCell($0, over: unit))
          }
        }
        return [markdownText(label) + (cells.compactMap { $0?.mark }.first ?? ""), unit.rawValue]
          + cells.map { $0?.cell ?? "—" }
      }
    }
    return rows.isEmpty
      ? ""
      : markdownTable(
        ["difference", "interval over"] + sets.map { markdownText($0.name) }, rows, firstNumber: 2)
  }
}
