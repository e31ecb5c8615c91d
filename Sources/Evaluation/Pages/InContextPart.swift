/// Accuracies of one task, all systems and settings.
func inContextPart(_ results: [(name: String, result: InContextResult)], stem: String?)
  -> ReportPart
{
  let first = results[0].result
  let systems = results.map { $0.result.taskSystem }
  let labels = systemLabels(zip(results, systems).map { ($0.name, $1) })
  let labelled = zip(labels, results.map(\.result)).map { (label: $0, result: $1) }
  var part = ReportPart(
    markdown: "# In-context learning: \(first.task.rawValue)\n\n"
      + "\(grouped(first.targets.count)) of \(grouped(first.test.examples)) items of "
      + "\(code(first.test.name)) (\(code(shortDigest(first.test.digest)))), "
      + "\(first.task.labels.count) labels; demonstrations from "
      + "\(code(first.train.name)) (\(code(shortDigest(first.train.digest)))).\n\n"
      + accuracyTable(labelled) + "\n" + inContextNotes)
  for rule in InContextRule.allCases {
    part.add(
      chart(labelled, rule).svg, stem: stem, "icl-\(first.task.rawValue)-\(rule.rawValue)",
      "Accuracy by the \(rule.rawValue) rule")
  }
  part.markdown += taskSystems(labels, systems)
  return part
}

/// What was asked, and the memory that it was asked with.
func taskSystems(_ labels: [String], _ systems: [TaskSystem]) -> String {
  func named(_ identity: SystemLabel.Identity?) -> String {
    identity.map { "\(markdownText($0.name)) \(code(shortDigest($0.digest)))" } ?? "—"
  }
  let header = [
    "system", "model", "adapter", "context", "layout", "retriever", "selects", "k", "chunk tokens",
    "memory tokens", "eviction", "query tokens",
  ]
  let rows = zip(labels, systems).map { label, system in
    let own = [
      markdownText(label), named(system.model), named(system.adapter),
      system.contextName ?? "segments alone",
    ]
    guard let memory = system.memory else {
      return own + Array(repeating: "—", count: header.count - own.count)
    }
    return own + [
      memory.layout?.rawValue ?? "—", named(memory.retriever), markdownText(memory.selection),
      "\(memory.topK)",
      "\(memory.chunkTokens)", grouped(memory.memoryTokens), markdownText(memory.eviction),
      "\(memory.queryTokens)",
    ]
  }
  return
    "\n## Systems\n\nThe memory is emptied before each question; the question asks it for itself."
    + "\n\n" + markdownTable(header, rows, firstNumber: 7)
}

private let inContextNotes =
  """
  - Rule `prefix`, as published: the label's name begins with the most likely next token; one letter is enough. Rule `likelihood`: the right label is the likeliest as a whole.
  - Accuracy in percent, mean ± population standard deviation over the seeds.
  - Δ: to the same system and demonstrations in context without memory, paired over the items; percentile bootstrap over items (95 %, 1000 resamples, seed 1), bold excludes 0.

  """

/// `base, nearest`, and the layout or the context where systems differ in it; the file's name where that
/// does not tell two apart.
func systemLabels(_ systems: [(name: String, system: TaskSystem)]) -> [String] {
  let all = systems.map(\.system)
  let hasSeveralModels = all.contains { $0.model != all[0].model }
  let hasSeveralLayouts = Set(all.compactMap { $0.memory?.layout }).count > 1
  let hasSeveralContexts = Set(all.map(\.contextName)).count > 1
  let labels = all.map { system in
    (hasSeveralModels ? system.model.name + " " : "") + (system.adapter?.name ?? "base")
      + (system.memory.map { ", \($0.selection)" } ?? ", memory off")
      + (hasSeveralLayouts ? system.memory?.layout.map { ", layout \($0.rawValue)" } ?? "" : "")
      + (hasSeveralContexts ? ", \(system.contextName ?? "segments alone")" : "")
  }
  return zip(labels, systems).map { label, system in
    let isShared = labels.count { $0 == label } > 1
    return oneLine(isShared ? "\(label) (\(system.name))" : label, limit: 80)
  }
}

private func accuracyTable(_ results: [(label: String, result: InContextResult)]) -> String {
  let rows = results.flatMap { label, result in
    result.summaries.map { summary in
      [
        markdownText(label), "\(summary.shots)", "\(summary.memoryShots)", summary.rule.rawValue,
        "\(fixed(summary.mean * 100, 2)) ± \(fixed(summary.deviation * 100, 2))",
        difference(result, summary), "\(summary.seeds.count)",
      ]
    }
  }
  return markdownTable(
    ["system", "in context", "in memory", "rule", "accuracy, %", "Δ to no memory, %", "seeds"],
    rows, firstNumber: 4)
}

/// What the demonstrations in memory change, item by item.
private func difference(_ result: InContextResult, _ summary: InContextResult.Summary) -> String {
  var clusters = [ClusterSum](repeating: ClusterSum(), count: result.targets.count)
  for run in result.runs where run.shots == summary.shots && run.memoryShots == summary.memoryShots
  {
    let reference = result.runs.first {
      $0.shots == run.shots && $0.memoryShots == 0 && $0.seed == run.seed
    }
    guard summary.memoryShots > 0, let reference else { return "—" }
    let pairs = zip(result.correct(run, summary.rule), result.correct(reference, summary.rule))
    for (item, pair) in pairs.enumerated() {
      clusters[item].sum += (pair.0 ? 100 : 0) - (pair.1 ? 100 : 0)
      clusters[item].tokens += 1
    }
  }
  let total = clusters.reduce(ClusterSum(), +)
  let interval = Bootstrap().interval(of: clusters)
  let text = withInterval(total.sum / Double(total.tokens), interval, 2, signed: true)
  return interval.map { $0.lower > 0 || $0.upper < 0 } ?? false ? "**\(text)**" : text
}

private func chart(
  _ results: [(label: String, result: InContextResult)], _ rule: InContextRule
) -> BarChart {
  let all = results.map { $0.result.summaries.filter { $0.rule == rule } }
  var settings: [[Int]] = []
  for summary in all.joined() where !settings.contains([summary.shots, summary.memoryShots]) {
    settings.append([summary.shots, summary.memoryShots])
  }
  settings.sort { $0.lexicographicallyPrecedes($1) }
  let task = results[0].result.task
  return BarChart(
    title: "\(task.rawValue), \(rule.rawValue) rule", yTitle: "accuracy, %",
    xTitle: "demonstrations in context + in memory",
    groups: settings.map { "\($0[0]) + \($0[1])" },
    series: zip(results, all).map { result, summaries in
      let own = settings.map { setting in
        summaries.first { [$0.shots, $0.memoryShots] == setting }
      }
      return BarChart.Series(
        label: result.label, values: own.map { $0.map { $0.mean * 100 } },
        intervals: own.map { summary in
          summary.map {
            Interval(lower: $0.mean - $0.deviation, upper: $0.mean + $0.deviation).map { $0 * 100 }
          }
        })
    },
    reference: (100 / Double(task.labels.count), "chance"))
}
