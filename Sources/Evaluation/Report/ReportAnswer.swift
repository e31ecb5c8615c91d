/// What memory brings, in plain words and one picture: the first part of a report.
struct ReportAnswer {
  let sets: [(name: String, report: Report)]
  let needles: [NeedleResult]

  /// What one system's retrieval brings on one set of texts.
  struct Finding {
    enum Verdict: String {
      case helps = "it helps"
      case helpsLittle = "it helps, but not surely more than the same cost without a retriever"
      case harms = "it harms"
      case unsure = "not sure"
    }

    let set: String
    let own: Report.Row
    /// The same system with its memory off, and what costs as much without retrieval: a longer context, or
    /// the newest chunks; negative differences are better.
    let off: Estimate
    let peer: (name: String, difference: Estimate)?
    /// The first position counted: what memory cannot change yet is left out.
    let start: Int

    var verdict: Verdict {
      guard let ends = off.interval else { return .unsure }
      if ends.lower > 0 { return .harms }
      guard ends.upper < 0 else { return .unsure }
      guard let peer else { return .helps }
      return peer.difference.interval.map { $0.upper < 0 } ?? false ? .helps : .helpsLittle
    }

    var sentence: String {
      let clusters = "over \(grouped(off.clusters)) \(off.kind.rawValue)"
      let from = start > 0 ? " from token \(grouped(start)) on" : ""
      let against = peer.map { name, difference in
        let isSure = difference.interval.map { $0.lower > 0 || $0.upper < 0 } ?? false
        return isSure && difference.mean < 0
          ? " and by \(Self.size(difference)) against \(name)"
          : " (against \(name): by \(Self.size(difference)))"
      }
      return
        "On \(markdownText(set))\(from), retrieval (\(markdownText(own.system))) lowers the loss by "
        + "\(Self.size(off)) nats a token against memory off\(against ?? ""), \(clusters): "
        + "**\(verdict.rawValue)**."
    }

    /// How much lower, with the interval.
    private static func size(_ difference: Estimate) -> String {
      let ends = difference.interval.map {
        " [\(fixed(-$0.upper, 3)), \(fixed(-$0.lower, 3))]"
      }
      return fixed(-difference.mean, 3) + (ends ?? "")
    }
  }

  /// Of each set every system that retrieves by the text before; empty where none was compared.
  var findings: [Finding] {
    sets.flatMap { name, report in
      report.rows.compactMap { row in
        guard row.result.system.memory?.selection == .nearest, !row.result.system.seesFuture
        else { return nil }
        return finding(of: row, in: report, set: name)
      }
    }
  }

  private func finding(of own: Report.Row, in report: Report, set: String) -> Finding? {
    let system = own.result.system
    let start = start(of: own.result)
    let bucket = PositionBucket(from: start, to: nil)
    func difference(_ row: Report.Row) -> Estimate? {
      own.result.difference(from: row.result, in: bucket)
    }
    let others = report.rows.filter {
      $0.result.system.model == system.model && $0.result.system.adapter == system.adapter
        && $0.result.system.ropeScaling == system.ropeScaling
        && $0.result.protocolName == own.result.protocolName
    }
    guard
      let off = others.first(where: {
        $0.result.system.memory == nil && $0.result.system.context == system.context
      }).flatMap(difference)
    else { return nil }
    let longer = others.first { isLonger($0.result.system, than: system) }
    let recent = others.first { isRecent($0.result.system, as: system) }
    let peer = (longer ?? recent).flatMap { row in
      difference(row).map {
        (longer == nil ? "the newest chunks" : "a longer context of the same cost", $0)
      }
    }
    return Finding(set: set, own: own, off: off, peer: peer, start: start)
  }

  /// Nothing leaves the context before its end, in whole segments of the results.
  private func start(of result: LanguageModelResult) -> Int {
    let context = result.system.memory?.contextTokens ?? 0
    let grain = LanguageModelResult.segmentTokens
    let start = (context + grain - 1) / grain * grain
    return result.documents.contains { $0.segmentTokens.count * grain > start } ? start : 0
  }

  /// Memory off, and a context longer by what the other one reads from memory, sinks aside.
  private func isLonger(_ other: SystemLabel, than system: SystemLabel) -> Bool {
    guard other.memory == nil, let memory = system.memory, let layout = memory.layout,
      let own = system.context?.rules, let theirs = other.context?.rules,
      let (short, long) = own.tokens.flatMap({ short in theirs.tokens.map { (short, $0) } })
    else { return false }
    return theirs.mode == own.mode
      && long - theirs.sinks == short - own.sinks + memory.topK * layout.chunkTokens
  }

  private func isRecent(_ other: SystemLabel, as system: SystemLabel) -> Bool {
    other.memory?.selection == .recent && other.context == system.context
      && other.memory?.topK == system.memory?.topK && other.memory?.layout == system.memory?.layout
  }

  /// One a task, length and memory.
  var needleSentences: [String] {
    needles.map { result in
      let asked = result.answers.count
      let read = result.answers.count { $0.isCorrect }
      let lengths = result.lengths.map(grouped).joined(separator: ", ")
      let system = result.adapter.map { markdownText($0.name) } ?? "base"
      let what = result.task == .passkey ? "passkey" : "magic number"
      let found = result.memory.map { _ in
        "is found \(result.answers.count { $0.wasRetrieved == true }) of \(asked) times and "
      }
      return
        "A \(what) hidden in \(lengths) tokens (\(system), "
        + "\(result.memory.map { markdownText($0.selection) } ?? "memory off")) \(found ?? "is ")"
        + "read out \(read) of \(asked) times."
    }
  }

  /// nil where there is nothing to say.
  func part(stem: String?) -> ReportPart? {
    let findings = findings
    guard !findings.isEmpty else { return nil }
    let lines = findings.map(\.sentence) + needleSentences
    var part = ReportPart(
      markdown: "# What memory brings\n\n" + lines.map { "- \($0)\n" }.joined())
    part.add(plot(findings).svg, stem: stem, "answer", "What retrieval takes off the loss")
    return part
  }

  private func plot(_ findings: [Finding]) -> ForestPlot {
    ForestPlot(
      title: "What retrieval changes in the loss, nats a token",
      groups: findings.map { finding in
        let rows =
          [("less memory off", finding.off)]
          + (finding.peer.map { [("less \($0.name)", $0.difference)] } ?? [])
        return ForestPlot.Group(
          label: "\(finding.set): \(finding.own.system)",
          rows: rows.map { ForestPlot.Row(label: $0, value: $1.mean, interval: $1.interval) })
      })
  }
}
