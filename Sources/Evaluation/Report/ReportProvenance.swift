import Safetensors

/// A tool's run, as the tools record it: {tool, version, arguments, inputs}.
struct ProvenanceStep: Hashable {
  var tool: String
  var version: String
  var arguments: [String]
  var inputs: [String]

  /// nil for what is no such record: a report does not fail on a foreign remark.
  init?(_ value: JSONValue) {
    guard let tool = value["tool"]?.stringValue else { return nil }
    self.tool = tool
    version = value["version"]?.stringValue ?? "?"
    arguments = value["arguments"]?.arrayValue?.compactMap(\.stringValue) ?? []
    inputs = value["inputs"]?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  var line: String {
    let command = ([tool] + arguments).map(shellQuoted).joined(separator: " ")
    let digests = inputs.map(shortDigest).joined(separator: " ")
    return "\(command)  # \(oneLine(version))" + (inputs.isEmpty ? "" : ", reads \(digests)")
  }
}

/// The steps behind results, each once, in the order in which the results name them.
struct ProvenanceSteps {
  private(set) var steps: [ProvenanceStep] = []
  private var numbers: [ProvenanceStep: Int] = [:]

  /// The numbers of a result's steps: "1, 2, 5".
  mutating func add(_ provenance: JSONValue) -> String {
    let own = (provenance.arrayValue ?? []).compactMap(ProvenanceStep.init)
    let found = own.map { step in
      if let number = numbers[step] { return number }
      steps.append(step)
      numbers[step] = steps.count
      return steps.count
    }
    return found.isEmpty ? "not recorded" : found.map { "\($0)" }.joined(separator: ", ")
  }

  /// Empty without steps.
  var lines: String {
    if steps.isEmpty { return "" }
    let lines = steps.enumerated().map { "\($0 + 1): \($1.line)\n" }.joined()
    return "The steps, each input named by its digest:\n\n```text\n\(lines)```\n"
  }
}

/// The chains of tools behind all numbers of a report: who took which steps, and each step once.
struct ReportProvenance {
  /// Empty without results of language modelling.
  let table: String
  /// Of other results; empty without any.
  let otherTable: String
  let lines: String

  /// - Parameters:
  ///   - reports: each with what its texts are called; a column says so where there are several.
  ///   - others: results of other kinds.
  init(
    _ reports: [(name: String?, report: Report)],
    others: [(name: String, provenance: JSONValue)] = []
  ) {
    var steps = ProvenanceSteps()
    let isNamed = reports.count > 1
    let cells = reports.flatMap { name, report in
      report.rows.map { row in
        (isNamed ? [markdownText(name ?? "")] : []) + [
          markdownText(row.label), markdownText(row.entry.name),
          code(shortDigest(row.result.chunksDigest)),
          row.result.system.memory.map { code(shortDigest($0.planDigest)) } ?? "—",
          "ml-eval \(markdownText(row.result.toolVersion))", steps.add(row.result.provenance),
        ]
      }
    }
    table =
      reports.isEmpty
      ? ""
      : markdownTable(
        (isNamed ? ["texts"] : []) + ["system", "results", "chunks", "plan", "scored by", "steps"],
        cells, firstNumber: isNamed ? 7 : 6)
    let rows = others.map { [markdownText($0), steps.add($1)] }
    otherTable = rows.isEmpty ? "" : markdownTable(["results", "steps"], rows, firstNumber: 2)
    lines = steps.lines
  }
}
