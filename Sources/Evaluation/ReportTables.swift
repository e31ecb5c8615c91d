import Safetensors

extension Report {
  var introduction: String {
    let result = rows[0].result
    let documents = result.documents.count
    var text =
      "\(grouped(result.scoredTokens)) of \(grouped(result.tokens)) tokens are scored, in "
      + "\(grouped(documents)) document\(documents == 1 ? "" : "s") "
      + "(chunks \(code(shortDigest(result.chunksDigest)))); every system scores the same ones.\n"
    if rows.contains(where: { $0.result.protocolName == "stream" }) {
      text +=
        "Protocol `stream`: a document is read once, segment after segment, with the memory of "
        + "what came before; all but its first token are scored.\n"
    }
    if let window = rows[0].result.window {
      text +=
        "Protocol `window`, as published: of windows of \(grouped(window.length)) tokens, one every "
        + "\(grouped(window.stride)), the last "
        + "\(grouped(window.length - window.firstScored)) tokens are scored; "
        + "the last \(grouped(min(window.length, window.lastContext))) are one segment, those before "
        + "are read in segments of \(grouped(window.prefillTokens)). Documents of fewer than "
        + "\(grouped(window.filterLength)) tokens are left out; they begin "
        + "\(window.bos ? "with" : "without") the beginning-of-text token.\n"
    }
    return text
  }

  var resultTable: String {
    let header = [
      "system", "memory", "query", "protocol", "perplexity per token", "per word", "per byte",
      "bits per byte", "scored tokens", "Δ nll to base, memory off",
    ]
    let cells = rows.map { row in
      let result = row.result
      let mark = result.system.seesFuture ? " †" : ""
      return [
        markdownText(row.system), row.memory, (row.query ?? "—") + mark,
        markdownText(result.protocolName),
        withInterval(result.overall.perplexity, result.overall.perplexityInterval, 2) + mark,
        fixed(result.wordPerplexity, 2), fixed(result.bytePerplexity, 4),
        fixed(result.bitsPerByte, 4), grouped(result.scoredTokens), differenceCell(row, in: nil),
      ]
    }
    return markdownTable(header, cells, firstNumber: 4)
  }

  /// How the table's numbers came about, and which are no probabilities.
  var notes: String {
    var lines: [String] = []
    if rows.contains(where: { $0.result.system.seesFuture }) {
      lines.append(
        "† The query is the very text that is predicted: the retriever sees the future, so this "
          + "number is not a probability and is not comparable with the others.")
    }
    if rows.contains(where: { $0.result.system.memory?.selection == .oracle }) {
      lines.append(
        "Memory `oracle`: in a sample of the segments the chunks were chosen by how much each alone "
          + "helps; elsewhere as in the plan that `ml-eval oracle` was given.")
    }
    let overall = rows[0].result.overall
    let bootstraps = rows.map(\.result.bootstrap).reduce(into: [Bootstrap]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let drawn = bootstraps.map {
      "\(fixed($0.level * 100, 0)) %, \($0.resamples) resamples, seed \($0.seed)"
    }
    let over =
      overall.kind == .documents
      ? "the \(grouped(overall.clusters)) documents"
      : "the \(grouped(overall.clusters)) segments of \(LanguageModelResult.segmentTokens) tokens "
        + "of the only document (so nothing is said of other documents)"
    lines.append(
      "In brackets: percentile bootstrap over \(over) (\(drawn.joined(separator: "; "))).")
    if overall.clusters < 10 {
      lines.append(
        "With fewer than 10 to draw from, such an interval is rough and mostly too narrow.")
    }
    lines.append(
      "Δ nll: mean negative log-likelihood per token less that of the same model without adapter "
        + "and memory, in nats, paired over the same tokens; negative is better, bold excludes 0.")
    lines.append(
      markdownText("Per word and byte: \(LanguageModelResult.textConvention)") + ".")
    return lines.map { "- \($0)\n" }.joined()
  }

  var bucketTable: String {
    let buckets = scoredBuckets
    let tokens = rows[0].result.buckets.map { grouped($0.estimate.total.tokens) }
    let cells = rows.map { row in
      [markdownText(row.label) + (row.result.system.seesFuture ? " †" : "")]
        + row.result.buckets.map { fixed($0.estimate.perplexity, 2) }
    }
    return "Perplexity per token:\n\n"
      + markdownTable(
        ["system"] + buckets.map(\.label), [["scored tokens"] + tokens] + cells, firstNumber: 1)
  }

  /// Empty where nothing differs from a reference.
  var bucketDifferences: String {
    let compared = rows.filter { if case .to = $0.difference { true } else { false } }
    if compared.isEmpty { return "" }
    let cells = compared.map { row in
      [markdownText(row.label) + (row.result.system.seesFuture ? " †" : "")]
        + scoredBuckets.map { differenceCell(row, in: $0) }
    }
    return "Δ nll to base, memory off (where a single document reaches a bucket: over its "
      + "segments):\n\n"
      + markdownTable(["system"] + scoredBuckets.map(\.label), cells, firstNumber: 1)
  }

  private func differenceCell(_ row: Row, in bucket: PositionBucket?) -> String {
    switch row.difference {
    case .isReference: return "reference"
    case .noReference: return "—"
    case .to(let reference):
      guard let estimate = row.result.difference(from: reference, in: bucket) else { return "—" }
      let text = withInterval(estimate.mean, estimate.interval, 4, signed: true)
      // As printed: an interval of +0.0000 is not bold because of its sixteenth digit.
      let excludesZero = estimate.interval.map { $0.lower >= 5e-5 || $0.upper <= -5e-5 } ?? false
      return excludesZero ? "**\(text)**" : text
    }
  }

  func systemTable(showsCost: Bool) -> String {
    let showsCache = rows.contains { $0.result.system.context != nil }
    let header =
      [
        "system", "model", "adapter", "k", "memory tokens", "eviction", "reset", "query tokens",
        "block tokens", "seed",
      ] + (showsCache ? ["cache of the context, MB"] : [])
      + (showsCost ? ["seconds", "tokens/s"] : [])
    let cells = rows.map { row in
      let system = row.result.system
      var cells = [
        markdownText(row.label), identity(system.model), system.adapter.map(identity) ?? "—",
      ]
      if let memory = system.memory {
        cells += ["\(memory.topK)", "\(memory.memoryTokens)"]
        cells += [markdownText(memory.eviction), markdownText(memory.reset)]
        cells += row.query == nil ? ["—"] : ["\(memory.queryTokens)"]
        cells += ["\(memory.blockTokens)", memory.selection == .random ? "\(memory.seed)" : "—"]
      } else {
        cells += Array(repeating: "—", count: 7)
      }
      if showsCache {
        cells.append(
          system.context.map { fixed(Double($0.cacheBytes) / 1e6, 1) } ?? "—")
      }
      if showsCost {
        cells += [
          row.result.seconds.map { fixed($0, 1) } ?? "—",
          row.result.tokensPerSecond.map { fixed($0, 0) } ?? "—",
        ]
      }
      return cells
    }
    return markdownTable(header, cells, firstNumber: 3)
  }

  private func identity(_ identity: SystemLabel.Identity) -> String {
    "\(markdownText(identity.name)) \(code(shortDigest(identity.digest)))"
  }
}

func code(_ text: String) -> String { "`" + text.filter { !"`|".contains($0) } + "`" }
