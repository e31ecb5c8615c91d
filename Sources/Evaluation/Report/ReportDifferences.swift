/// Paired differences of systems over the same tokens.
extension Report {
  /// Few documents say little of how documents vary, so the segments are drawn as well.
  static let fewDocuments = 6

  /// Two systems whose difference is shown, own less reference.
  struct Pair {
    let own: Row
    let reference: Row

    var label: String {
      own.system == reference.system
        ? "\(own.system): \(own.reading) − \(reference.reading)"
        : "\(own.label) − \(reference.label)"
    }
  }

  /// The same model without adapter and memory, beside the shortest context, under the same protocol.
  func reference(of row: Row) -> Row? {
    rows.filter {
      let system = $0.result.system
      return system.model == row.result.system.model && system.adapter == nil
        && system.memory == nil && system.ropeScaling == nil
        && system.context?.rules.mode != .reread
        && $0.result.protocolName == row.result.protocolName
    }.min { Self.span($0) < Self.span($1) }
  }

  private static func span(_ row: Row) -> Int {
    row.result.system.context.map { $0.rules.tokens ?? .max } ?? 0
  }

  /// What retrieval brings: each retrieving system less the same one with its memory off, with the most
  /// recent chunks and with random ones.
  var retrievalPairs: [Pair] {
    let retrieving = rows.filter {
      [.nearest, .oracle].contains($0.result.system.memory?.selection)
    }
    return retrieving.flatMap { own in
      rows.filter { isControl($0, of: own) }.map { Pair(own: own, reference: $0) }
    }
  }

  private func isControl(_ row: Row, of own: Row) -> Bool {
    let (system, other) = (own.result.system, row.result.system)
    guard row.result.protocolName == own.result.protocolName, system.model == other.model,
      system.adapter == other.adapter, system.variant == other.variant
    else { return false }
    switch other.memory?.selection {
    case nil: return true
    case .recent, .random: return settings(system) == settings(other)
    case .nearest, .oracle: return false
    }
  }

  private func settings(_ system: SystemLabel) -> [String]? {
    system.memory?.settings.map { "\($0.name) \($0.value)" }
  }

  /// Every system's difference to the reference; empty where nothing differs from one.
  var referenceDifferences: String {
    let pairs = rows.compactMap { row in
      reference(of: row).flatMap {
        $0.label == row.label ? nil : (row.cell, Pair(own: row, reference: $0))
      }
    }
    return pairs.isEmpty
      ? "" : "Δ nll to base, memory off:\n\n" + differenceTable(pairs, first: "system")
  }

  /// Empty without a retrieving system and a control.
  var pairDifferences: String {
    let pairs = retrievalPairs.map { (markdownText($0.label) + $0.own.mark, $0) }
    return pairs.isEmpty
      ? ""
      : "What retrieval brings: Δ nll to the same system with the memory off or with other chunks, "
        + "paired over the same tokens:\n\n" + differenceTable(pairs, first: "difference")
  }

  /// What is drawn: documents, and segments where some position is reached by few of them.
  var units: [ClusterKind] {
    let counts = scoredBuckets.map { rows[0].result.documentCount(in: $0) }
    if counts.allSatisfy({ $0 == 1 }) { return [.segments] }
    return counts.contains { $0 < Self.fewDocuments } ? [.documents, .segments] : [.documents]
  }

  private func differenceTable(
    _ pairs: [(label: String, pair: Pair)], first header: String
  ) -> String {
    let cells = pairs.flatMap { label, pair in
      units.map { unit in
        [label, unit.rawValue, differenceCell(pair, over: unit)]
          + scoredBuckets.map { differenceCell(pair, in: $0, over: unit) }
      }
    }
    return markdownTable(
      [header, "interval over", "all"] + scoredBuckets.map(\.label), cells, firstNumber: 2)
  }

  /// The difference to the reference over all tokens.
  func referenceCell(_ row: Row) -> String {
    guard let reference = reference(of: row) else { return "—" }
    if reference.label == row.label { return "reference" }
    return differenceCell(Pair(own: row, reference: reference))
  }

  func differenceCell(
    _ pair: Pair, in bucket: PositionBucket? = nil, over kind: ClusterKind? = nil
  ) -> String {
    guard
      let estimate = pair.own.result.difference(
        from: pair.reference.result, in: bucket, over: kind)
    else { return "—" }
    let text = withInterval(estimate.mean, estimate.interval, 4, signed: true)
    // As printed: an interval of +0.0000 is not bold because of its sixteenth digit.
    let excludesZero = estimate.interval.map { $0.lower >= 5e-5 || $0.upper <= -5e-5 } ?? false
    return excludesZero ? "**\(text)**" : text
  }

  /// What retrieval by the past brings by position, as an SVG document; nil without such a pair.
  var differenceFigure: String? {
    let pairs = retrievalPairs.filter { !$0.own.result.system.seesFuture }
    guard !pairs.isEmpty else { return nil }
    let unit = units[units.count - 1]
    let systems = pairs.map(\.own.system)
    let series = pairs.map { pair in
      let estimates = scoredBuckets.map {
        pair.own.result.difference(from: pair.reference.result, in: $0, over: unit)
      }
      return LineChart.Series(
        label: pair.label, values: estimates.map { $0?.mean },
        hue: pair.reference.result.system.hue,
        dash: pair.own.result.system.adapter == nil
          ? .base : .other(Set(systems.prefix { $0 != pair.own.system }).count),
        intervals: estimates.map { $0?.interval })
    }
    return LineChart(
      title: "What retrieval brings: Δ nll by position, 95 % over \(unit.rawValue)",
      xTitle: "position in the document (tokens, k = 1024); below 0 retrieval is better",
      categories: scoredBuckets.map(\.label), series: series
    ).svg
  }
}
