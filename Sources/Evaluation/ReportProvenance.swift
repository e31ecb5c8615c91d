import Safetensors

/// The chain of tools behind every number.
extension Report {
  /// A tool's run, as the tools record it: {tool, version, arguments, inputs}.
  struct Step: Hashable {
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

  private func steps(of row: Row) -> [Step] {
    (row.result.provenance.arrayValue ?? []).compactMap(Step.init)
  }

  /// Each run once, in the order the results name them.
  private var allSteps: [Step] {
    var seen: Set<Step> = []
    return rows.flatMap(steps(of:)).filter { seen.insert($0).inserted }
  }

  var provenanceTable: String {
    let all = allSteps
    let cells = rows.map { row in
      let system = row.result.system
      let chain = steps(of: row).compactMap { all.firstIndex(of: $0).map { "\($0 + 1)" } }
      return [
        markdownText(row.label), markdownText(row.entry.name),
        code(shortDigest(row.result.chunksDigest)),
        system.memory.map { code(shortDigest($0.planDigest)) } ?? "—",
        "ml-eval \(markdownText(row.result.toolVersion))",
        chain.isEmpty ? "not recorded" : chain.joined(separator: ", "),
      ]
    }
    return markdownTable(
      ["system", "results", "chunks", "plan", "scored by", "steps"], cells, firstNumber: 6)
  }

  var provenanceSteps: String {
    let steps = allSteps
    if steps.isEmpty { return "" }
    let lines = steps.enumerated().map { "\($0 + 1): \($1.line)\n" }.joined()
    return "The steps, each input named by its digest:\n\n```text\n\(lines)```\n"
  }
}
