import Safetensors

/// One file that a report is made of, told apart by what it says of itself.
public enum ReportInput: Sendable {
  case languageModel(Report.Entry)
  case inContext(name: String, InContextResult)
  case needle(name: String, NeedleResult)
  /// A log of `ml-train`: JSON lines.
  case training(name: String, TrainingLog)
  /// What `ml-index stat --json` prints.
  case plan(name: String, PlanDescription)

  /// - Throws: ``ResultError`` or `JSONError` saying what is wrong.
  public init(name: String, contents: [UInt8]) throws {
    // Several lines that are each a value are a log; a result is one value.
    if let log = try TrainingLog(contents) {
      self = .training(name: name, log)
      return
    }
    let json = try JSONValue(parsing: contents)
    switch json["schema"]?.stringValue {
    case InContextResult.schema:
      self = .inContext(name: name, try InContextResult(json: json))
    case NeedleResult.schema: self = .needle(name: name, try NeedleResult(json: json))
    case nil where json["hit_age"] != nil && json["retrieving_rows"] != nil:
      self = .plan(name: name, try PlanDescription(json: json))
    default:
      self = .languageModel(.init(name: name, result: try LanguageModelResult(json: json)))
    }
  }
}

/// A part of a report: Markdown, and the figures that it shows.
public struct ReportPart: Sendable {
  public struct Figure: Sendable {
    /// As the Markdown names it, such as `report.svg`.
    public var address: String
    public var svg: String
  }

  public var markdown: String
  public var figures: [Figure] = []

  /// A line of Markdown that shows a new figure; nothing without a stem for its address.
  mutating func add(_ svg: String, stem: String?, _ name: String, _ words: String) {
    guard let stem else { return }
    let address = "\(stem)-\(name).svg"
    markdown += "\n![\(words)](<\(address)>)\n"
    figures.append(Figure(address: address, svg: svg))
  }
}

/// A report over results of every kind: one part for each set of comparable ones.
public struct ReportBook {
  private let title: String
  private let languageModels: [Report]
  private let inContext: [[(name: String, result: InContextResult)]]
  private let needles: [(name: String, result: NeedleResult)]
  private let logs: [(name: String, log: TrainingLog)]
  private let plans: [(name: String, plan: PlanDescription)]

  /// Results over other tokens, items or tasks stand in parts of their own.
  ///
  /// - Throws: ``ResultError`` where two results cannot stand in one table, naming both.
  public init(_ inputs: [ReportInput], title: String) throws {
    self.title = title
    var entries: [[Report.Entry]] = []
    var inContext: [[(name: String, result: InContextResult)]] = []
    var needles: [(name: String, result: NeedleResult)] = []
    var logs: [(name: String, log: TrainingLog)] = []
    var plans: [(name: String, plan: PlanDescription)] = []
    for input in inputs {
      switch input {
      case .languageModel(let entry):
        gather(entry, into: &entries) { $0.result.chunksDigest == $1.result.chunksDigest }
      case .inContext(let name, let result):
        gather((name, result), into: &inContext) {
          $0.1.task == $1.1.task && $0.1.test == $1.1.test && $0.1.targets == $1.1.targets
        }
      case .needle(let name, let result): needles.append((name, result))
      case .training(let name, let log): logs.append((name, log))
      case .plan(let name, let plan): plans.append((name, plan))
      }
    }
    let isAlone = entries.count == 1
    languageModels = try entries.map {
      let digest = shortDigest($0[0].result.chunksDigest)
      return try Report($0, title: isAlone ? title : "\(title), chunks \(digest)")
    }
    self.inContext = inContext
    self.needles = needles
    self.logs = logs
    self.plans = plans
    guard !inputs.isEmpty else { throw ResultError("no results to report") }
  }

  /// The parts in their order.
  ///
  /// - Parameters:
  ///   - stem: what the addresses of figures begin with; nil leaves figures out of the Markdown.
  ///   - commands: shell lines that make the report again.
  ///   - showsIntervals: draws intervals in the figure of perplexities.
  public func parts(
    stem: String?, commands: [String] = [], showsCost: Bool = false, showsIntervals: Bool = false
  ) -> [ReportPart] {
    var parts: [ReportPart] = []
    for (index, report) in languageModels.enumerated() {
      let address = stem.map { $0 + (index == 0 ? "" : "-\(index + 1)") + ".svg" }
      parts.append(
        ReportPart(
          markdown: report.markdown(figure: address, commands: commands, showsCost: showsCost),
          figures: address.map {
            [.init(address: $0, svg: report.figure(showsIntervals: showsIntervals))]
          } ?? []))
    }
    parts += inContext.map { inContextPart($0, stem: stem) }
    if !needles.isEmpty { parts.append(needlePart(needles, stem: stem)) }
    if !plans.isEmpty { parts.append(planPart(plans, stem: stem)) }
    if !logs.isEmpty { parts.append(trainingPart(logs, stem: stem)) }
    if languageModels.isEmpty, !commands.isEmpty {
      let lines = commands.map { oneLine($0, limit: .max) + "\n" }.joined()
      parts.append(ReportPart(markdown: "# Commands\n\n```sh\n\(lines)```\n"))
    }
    return parts
  }

  /// One self-contained page: no script, no address outside.
  public func html(commands: [String] = [], showsCost: Bool = false) -> String {
    let parts = parts(
      stem: "report", commands: commands, showsCost: showsCost, showsIntervals: true)
    let body = parts.map { part in
      MarkdownPage(
        figures: Dictionary(part.figures.map { ($0.address, $0.svg) }) { first, _ in first }
      ).html(part.markdown)
    }
    return MarkdownPage.page(title: title, body: body.joined())
  }
}

private func gather<Element>(
  _ element: Element, into groups: inout [[Element]], _ isAlike: (Element, Element) -> Bool
) {
  if let index = groups.firstIndex(where: { isAlike($0[0], element) }) {
    groups[index].append(element)
  } else {
    groups.append([element])
  }
}

/// The steps behind results that carry their provenance, each once, and who took which.
func provenance(of results: [(name: String, provenance: JSONValue)]) -> String {
  var steps: [Report.Step] = []
  let rows = results.map { name, value in
    let own = (value.arrayValue ?? []).compactMap(Report.Step.init)
    for step in own where !steps.contains(step) { steps.append(step) }
    let numbers = own.compactMap { steps.firstIndex(of: $0).map { "\($0 + 1)" } }
    return [
      markdownText(name), numbers.isEmpty ? "not recorded" : numbers.joined(separator: ", "),
    ]
  }
  let table = markdownTable(["results", "steps"], rows, firstNumber: 2)
  if steps.isEmpty { return "\n## Provenance\n\n" + table }
  let lines = steps.enumerated().map { "\($0 + 1): \($1.line)\n" }.joined()
  return "\n## Provenance\n\n\(table)\nThe steps, each input named by its digest:\n\n"
    + "```text\n\(lines)```\n"
}
