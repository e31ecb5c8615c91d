import Safetensors

/// Results of several systems on the same tokens as Markdown and a figure. The same results in any
/// order give the same text.
public struct Report {
  public struct Entry: Sendable {
    /// Names the result in errors and in the provenance table: its file's base name.
    public var name: String
    public var result: LanguageModelResult

    public init(name: String, result: LanguageModelResult) {
      self.name = name
      self.result = result
    }
  }

  /// An entry in its place, with what the tables call it.
  struct Row {
    let entry: Entry
    /// `base`, `trained` or what tells several of these apart.
    var system: String
    let difference: Difference

    var result: LanguageModelResult { entry.result }
    var memory: String { result.system.memoryName }

    /// The query of a retrieval; the controls ask nothing.
    var query: String? {
      guard let memory = result.system.memory, memory.selection == .nearest else { return nil }
      return memory.query.rawValue
    }

    /// "trained, retrieved (previous)".
    var label: String {
      result.system.memory == nil
        ? "\(system), memory off" : "\(system), \(memory)" + (query.map { " (\($0))" } ?? "")
    }
  }

  enum Difference {
    case isReference
    case to(LanguageModelResult)
    case noReference
  }

  let title: String
  let rows: [Row]

  /// Throws ``ResultError`` without results, if two score different tokens or if two are of the
  /// same system, naming both.
  public init(_ entries: [Entry], title: String = "Language modelling") throws {
    let entries = entries.sorted { Self.sortKey($0).lexicographicallyPrecedes(Self.sortKey($1)) }
    guard let first = entries.first else { throw ResultError("no results to report") }
    for (index, entry) in entries.enumerated() {
      try first.result.checkComparable(to: entry.result, names: (first.name, entry.name))
      let same = entries[..<index].first {
        $0.result.system == entry.result.system
          && $0.result.protocolName == entry.result.protocolName
      }
      if let same {
        throw ResultError("two results of one system: \(same.name) and \(entry.name)")
      }
    }
    self.title = title
    rows = Self.named(entries)
  }

  /// Base before trained; off, recent, random, retrieved; queries of the past before others.
  private static func sortKey(_ entry: Entry) -> [String] {
    let system = entry.result.system
    let memory = system.memory
    let selection = memory.flatMap { MemoryLabel.Selection.allCases.firstIndex(of: $0.selection) }
    let query = memory.map { $0.query == .previous ? 0 : $0.query == .current ? 1 : 2 }
    return [
      system.model.name, system.model.digest, system.adapter?.name ?? "",
      system.adapter?.digest ?? "", "\(selection.map { $0 + 1 } ?? 0)", "\(query ?? 0)",
      system.variant ?? "", entry.result.protocolName, entry.name, memory?.planDigest ?? "",
    ]
  }

  private static func named(_ entries: [Entry]) -> [Row] {
    let systems = entries.map(\.result.system)
    let hasSeveralModels = systems.contains { $0.model != systems[0].model }
    let adapters = systems.compactMap(\.adapter)
    let hasSeveralAdapters = adapters.contains { $0 != adapters[0] }
    var rows = entries.map { entry in
      let system = entry.result.system
      var name = "base"
      if let adapter = system.adapter { name = hasSeveralAdapters ? adapter.name : "trained" }
      if hasSeveralModels { name = "\(system.model.name) \(name)" }
      name = oneLine(name, limit: 40)
      if let variant = system.variant { name += ", \(oneLine(variant, limit: 80))" }
      return Row(
        entry: entry, system: name,
        difference: difference(of: entry.result, among: entries))
    }
    let labels = rows.map(\.label)
    for index in rows.indices where labels.count(where: { $0 == labels[index] }) > 1 {
      rows[index].system += " (\(oneLine(rows[index].entry.name, limit: 40)))"
    }
    return rows
  }

  private static func difference(
    of result: LanguageModelResult, among entries: [Entry]
  ) -> Difference {
    let reference = entries.first {
      $0.result.system.model == result.system.model && $0.result.system.adapter == nil
        && $0.result.system.memory == nil && $0.result.system.variant == nil
        && $0.result.protocolName == result.protocolName
    }
    guard let reference else { return .noReference }
    return reference.result.system == result.system ? .isReference : .to(reference.result)
  }

  /// The report as Markdown.
  ///
  /// - Parameters:
  ///   - figure: the address of ``figure()``'s file as seen from the report; nil leaves it out.
  ///   - commands: shell lines that make the report again.
  ///   - showsCost: seconds and tokens per second too, which differ from run to run.
  public func markdown(
    figure: String? = nil, commands: [String] = [], showsCost: Bool = false
  ) -> String {
    var parts = ["# \(markdownText(title))\n", introduction, resultTable, notes]
    parts.append("## By position\n")
    if let figure {
      parts.append("![Perplexity per token by position in the document](\(address(figure)))\n")
    }
    parts += [bucketTable, bucketDifferences].filter { !$0.isEmpty }
    parts += ["## Systems\n", systemTable(showsCost: showsCost), "## Provenance\n"]
    parts += [provenanceTable, provenanceSteps].filter { !$0.isEmpty }
    if !commands.isEmpty {
      let lines = commands.map { oneLine($0, limit: .max) + "\n" }.joined()
      parts += ["## Commands\n", "```sh\n\(lines)```\n"]
    }
    return parts.joined(separator: "\n")
  }

  /// Perplexity per token by position as an SVG document, one line per system.
  ///
  /// - Parameter showsIntervals: draws the bootstrap intervals too.
  public func figure(showsIntervals: Bool = false) -> String {
    let buckets = scoredBuckets
    let systems = rows.map(\.system)
    let series = rows.map { row in
      LineChart.Series(
        label: row.label + (row.result.system.seesFuture ? " †" : ""),
        values: buckets.map { bucket in
          row.result.buckets.first { $0.bucket == bucket }?.estimate.perplexity
        },
        hue: hue(of: row),
        dash: row.result.system.adapter == nil && row.result.system.variant == nil
          ? .base : .other(Set(systems.prefix { $0 != row.system }).count),
        intervals: !showsIntervals
          ? []
          : buckets.map { bucket in
            row.result.buckets.first { $0.bucket == bucket }?.estimate.perplexityInterval
          })
    }
    return LineChart(
      title: "Perplexity per token by position",
      xTitle: "position in the document (tokens, k = 1024)", categories: buckets.map(\.label),
      series: series
    ).svg
  }

  /// One colour and marker a kind of memory, whatever the model.
  private func hue(of row: Row) -> Int {
    switch row.result.system.memory?.selection {
    case nil: 0
    case .recent: 1
    case .random: 2
    case .oracle: 5
    case .nearest: row.result.system.memory?.query == .previous ? 3 : 4
    }
  }

  var scoredBuckets: [PositionBucket] { rows[0].result.buckets.map(\.bucket) }

  private func address(_ path: String) -> String {
    "<" + oneLine(path).filter { !"<>".contains($0) } + ">"
  }
}
