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
  /// Of each set of texts, with what it is called.
  private let languageModels: [(name: String, report: Report)]
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
        gather(entry, into: &entries) {
          $0.result.chunksDigest == $1.result.chunksDigest && $0.result.dataSet == $1.result.dataSet
        }
      case .inContext(let name, let result):
        gather((name, result), into: &inContext) {
          $0.1.task == $1.1.task && $0.1.test == $1.1.test && $0.1.drawn == $1.1.drawn
            && $0.1.targets == $1.1.targets
        }
      case .needle(let name, let result): needles.append((name, result))
      case .training(let name, let log): logs.append((name, log))
      case .plan(let name, let plan): plans.append((name, plan))
      }
    }
    let names = entries.map { Self.name($0[0].result) }
    let reports = try Report.reports(sets: entries, titles: entries.count == 1 ? [title] : names)
    languageModels = zip(names, reports).map { (name: $0, report: $1) }
    self.inContext = inContext
    self.needles = needles
    self.logs = logs
    self.plans = plans
    guard !inputs.isEmpty else { throw ResultError("no results to report") }
  }

  /// What texts are called: their name, or their chunks, and the length of windows.
  private static func name(_ result: LanguageModelResult) -> String {
    let name = result.dataSet ?? "chunks \(shortDigest(result.chunksDigest))"
    return name + (result.window.map { ", windows of \(grouped($0.length))" } ?? "")
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
    let others = self.others
    let isOne = languageModels.count == 1
    let isAlone = isOne && others.isEmpty && logs.isEmpty
    let answer = ReportAnswer(sets: languageModels, needles: needles.map(\.result))
    if let part = answer.part(stem: stem) { parts.append(part) }
    if languageModels.count > 1 {
      parts.append(ReportOverview(sets: languageModels).part(title: title, stem: stem))
    }
    for (index, (_, report)) in languageModels.enumerated() {
      let own = stem.map { $0 + (index == 0 ? "" : "-\(index + 1)") }
      let addresses = own.map { (figure: "\($0).svg", differences: "\($0)-differences.svg") }
      let (figure, differences) = (addresses?.figure, addresses?.differences)
      var part = ReportPart(
        markdown: isAlone
          ? report.markdown(
            figure: figure, differences: differences, commands: commands, showsCost: showsCost)
          : report.body(
            figure: figure, differences: differences, showsCost: showsCost, showsNotes: isOne))
      if let addresses {
        part.figures.append(
          .init(address: addresses.figure, svg: report.figure(showsIntervals: showsIntervals)))
        part.figures +=
          report.differenceFigure.map {
            [.init(address: addresses.differences, svg: $0)]
          } ?? []
      }
      parts.append(part)
    }
    parts += inContext.map { inContextPart($0, stem: stem) }
    if !needles.isEmpty { parts.append(needlePart(needles, stem: stem)) }
    if !plans.isEmpty { parts.append(planPart(plans, stem: stem)) }
    if !logs.isEmpty { parts.append(trainingPart(logs, stem: stem)) }
    if !isAlone {
      let named = languageModels.map { (name: isOne ? nil : Optional($0.name), report: $0.report) }
      let closing = Report.closing(named, others: others, commands: commands)
      if !closing.isEmpty {
        parts.append(ReportPart(markdown: "# Where the numbers come from\n\n" + closing))
      }
    }
    return parts
  }

  /// What is no language modelling and says where it comes from, in the order of the parts.
  private var others: [(name: String, provenance: JSONValue)] {
    inContext.joined().map { ($0.name, $0.result.provenance) }
      + needles.map { ($0.name, $0.result.provenance) }
      + plans.map { ($0.name, $0.plan.provenance) }
  }

  /// One self-contained page: no script, no address outside.
  public func html(commands: [String] = [], showsCost: Bool = false) -> String {
    let parts = parts(
      stem: "report", commands: commands, showsCost: showsCost, showsIntervals: true)
    return MarkdownPage.page(
      title: title,
      parts: parts.map { part in
        let figures = Dictionary(part.figures.map { ($0.address, $0.svg) }) { first, _ in first }
        return MarkdownPage(figures: figures).section(part.markdown)
      })
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
