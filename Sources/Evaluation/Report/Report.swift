import Safetensors

/// Results of several systems on the same tokens as Markdown and figures. The same results in any
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
    let system: String

    var result: LanguageModelResult { entry.result }
    var memory: String { result.system.memoryName }

    /// The query of a retrieval; the controls ask nothing.
    var query: String? {
      guard let memory = result.system.memory, memory.selection == .nearest else { return nil }
      return memory.query.rawValue
    }

    /// What the memory read: "retrieved (previous)".
    var reading: String { memory + (query.map { " (\($0))" } ?? "") }

    /// "trained, retrieved (previous)".
    var label: String {
      "\(system), " + (result.system.memory == nil ? "memory off" : reading)
    }

    /// As it stands in tables.
    var cell: String { markdownText(label) + mark }
    /// Of numbers that are no probabilities.
    var mark: String { result.system.seesFuture ? " †" : "" }
  }

  let title: String
  let rows: [Row]

  /// Throws ``ResultError`` without results, if two score different tokens or if two are of the
  /// same system, naming both.
  public init(_ entries: [Entry], title: String = "Language modelling") throws {
    self = try Self.reports(sets: [entries], titles: [title])[0]
  }

  private init(title: String, rows: [Row]) {
    self.title = title
    self.rows = rows
  }

  /// Reports of several sets of texts, where a system has one name in all of them.
  static func reports(sets: [[Entry]], titles: [String]) throws -> [Report] {
    let sets = try sets.map(checked)
    return zip(zip(sets, SystemNames.names(of: sets)), titles).map { set, title in
      Report(title: title, rows: zip(set.0, set.1).map { Row(entry: $0, system: $1) })
    }
  }

  private static func checked(_ entries: [Entry]) throws -> [Entry] {
    let entries = entries.sorted { sortKey($0).lexicographicallyPrecedes(sortKey($1)) }
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
    return entries
  }

  /// Base before trained; off, recent, random, retrieved; queries of the past before others.
  private static func sortKey(_ entry: Entry) -> [String] {
    let system = entry.result.system
    let memory = system.memory
    let selection = memory.flatMap { MemoryLabel.Selection.allCases.firstIndex(of: $0.selection) }
    let query = memory.map { $0.query == .previous ? 0 : $0.query == .current ? 1 : 2 }
    return [
      system.model.name, system.model.digest, system.adapter?.name ?? "",
      system.adapter?.digest ?? "", memory?.layout?.source.rawValue ?? "",
      "\(selection.map { $0 + 1 } ?? 0)", "\(query ?? 0)",
      system.variant ?? "", entry.result.protocolName, entry.name, memory?.planDigest ?? "",
    ]
  }

  /// The report as Markdown.
  ///
  /// - Parameters:
  ///   - figure: the address of ``figure()``'s file as seen from the report; nil leaves it out.
  ///   - differences: that of ``differenceFigure``.
  ///   - commands: shell lines that make the report again.
  ///   - showsCost: seconds and tokens per second too, which differ from run to run.
  public func markdown(
    figure: String? = nil, differences: String? = nil, commands: [String] = [],
    showsCost: Bool = false
  ) -> String {
    [
      body(figure: figure, differences: differences, showsCost: showsCost, showsNotes: true),
      Self.closing([(nil, self)], commands: commands),
    ].joined(separator: "\n")
  }

  /// All but where the numbers come from.
  ///
  /// - Parameter showsNotes: of several sets, whose notes are the same, they stand elsewhere.
  func body(figure: String?, differences: String?, showsCost: Bool, showsNotes: Bool) -> String {
    var parts = ["# \(markdownText(title))\n", introduction, resultTable(showsCost: showsCost)]
    if showsNotes { parts.append(Self.notes(of: [self])) }
    parts.append(positions(figure: figure, differences: differences))
    return parts.joined(separator: "\n")
  }

  /// Perplexities and differences by position, with their figures.
  func positions(figure: String?, differences: String?) -> String {
    var parts = ["## By position\n"]
    if let figure {
      parts.append("![Perplexity per token by position in the document](\(address(figure)))\n")
    }
    parts += [bucketTable, referenceDifferences, pairDifferences].filter { !$0.isEmpty }
    if let differences, differenceFigure != nil {
      parts.append("![Paired differences by position](\(address(differences)))\n")
    }
    return parts.joined(separator: "\n")
  }

  /// Systems, where the numbers come from, and how to make them again; each set with what it is called.
  ///
  /// - Parameter others: results of other kinds, whose chains of tools stand here too.
  static func closing(
    _ reports: [(name: String?, report: Report)],
    others: [(name: String, provenance: JSONValue)] = [], commands: [String]
  ) -> String {
    let provenance = ReportProvenance(reports, others: others)
    var parts: [String] = []
    if !reports.isEmpty { parts += ["## Systems\n", systemTable(reports.flatMap(\.report.rows))] }
    if !reports.isEmpty || !others.isEmpty {
      parts += ["## Provenance\n", provenance.table, provenance.otherTable, provenance.lines]
    }
    if !commands.isEmpty {
      let lines = commands.map { oneLine($0, limit: .max) + "\n" }.joined()
      parts += ["## Commands\n", "```sh\n\(lines)```\n"]
    }
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  /// Perplexity per token by position as an SVG document, one line per system.
  ///
  /// - Parameter showsIntervals: draws the bootstrap intervals too.
  public func figure(showsIntervals: Bool = false) -> String {
    let buckets = scoredBuckets
    let systems = rows.map(\.system)
    let series = rows.map { row in
      LineChart.Series(
        label: row.label + row.mark,
        values: buckets.map { bucket in
          row.result.buckets.first { $0.bucket == bucket }?.estimate.perplexity
        },
        hue: row.result.system.hue,
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

  var scoredBuckets: [PositionBucket] { rows[0].result.buckets.map(\.bucket) }

  private func address(_ path: String) -> String {
    "<" + oneLine(path).filter { !"<>".contains($0) } + ">"
  }
}

extension SystemLabel {
  /// One colour and marker a kind of memory, whatever the model.
  var hue: Int {
    switch memory?.selection {
    case nil: 0
    case .recent: 1
    case .random: 2
    case .oracle: 5
    case .nearest: memory?.query == .previous ? 3 : 4
    }
  }
}
