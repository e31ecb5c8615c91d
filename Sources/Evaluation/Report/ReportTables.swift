import Modeling
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

  func resultTable(showsCost: Bool) -> String {
    let hasContext = rows.contains { $0.result.system.context != nil }
    let header =
      [
        "system", "memory", "query", "protocol", "perplexity per token", "per word", "per byte",
        "bits per byte", "scored tokens", "Δ nll to base, memory off",
      ] + (hasContext ? ["cache of the context, MB"] : [])
      + (showsCost ? ["seconds", "tokens/s"] : [])
    let cells = rows.map { row in
      let result = row.result
      var cells = [
        markdownText(row.system), row.memory, (row.query ?? "—") + row.mark,
        markdownText(result.protocolName),
        withInterval(result.overall.perplexity, result.overall.perplexityInterval, 2) + row.mark,
        fixed(result.wordPerplexity, 2), fixed(result.bytePerplexity, 4),
        fixed(result.bitsPerByte, 4), grouped(result.scoredTokens), referenceCell(row),
      ]
      if hasContext {
        cells.append(result.system.context.map { fixed(Double($0.cacheBytes) / 1e6, 1) } ?? "—")
      }
      if showsCost {
        cells.append(result.seconds.map { fixed($0, 1) } ?? "—")
        cells.append(result.tokensPerSecond.map { fixed($0, 0) } ?? "—")
      }
      return cells
    }
    return markdownTable(header, cells, firstNumber: 4)
  }

  /// How the tables' numbers came about, and which are no probabilities.
  static func notes(of reports: [Report]) -> String {
    let rows = reports.flatMap(\.rows)
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
    let bootstraps = rows.map(\.result.bootstrap).reduce(into: [Bootstrap]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let drawn = bootstraps.map {
      "\(fixed($0.level * 100, 0)) %, \($0.resamples) resamples, seed \($0.seed)"
    }
    let over = reports.count == 1 ? reports[0].clusters : "the documents of each set"
    lines.append(
      "In brackets: percentile bootstrap over \(over) (\(drawn.joined(separator: "; "))).")
    if reports.contains(where: { $0.rows[0].result.overall.clusters < 10 }) {
      lines.append(
        "With fewer than 10 to draw from, such an interval is rough and mostly too narrow.")
    }
    if reports.contains(where: { $0.units.count > 1 }) {
      lines.append(
        "Where fewer than \(fewDocuments) documents reach a position, differences have an interval "
          + "over segments of \(LanguageModelResult.segmentTokens) tokens too: it says how sure they "
          + "are for these documents, and nothing of others.")
    }
    lines.append(
      "Δ nll: mean negative log-likelihood per token less that of the same model without adapter "
        + "and memory, in nats, paired over the same tokens; negative is better, bold excludes 0.")
    lines.append(
      markdownText("Per word and byte: \(LanguageModelResult.textConvention)") + ".")
    return lines.map { "- \($0)\n" }.joined()
  }

  /// What the bootstrap of the whole draws.
  private var clusters: String {
    let overall = rows[0].result.overall
    return overall.kind == .documents
      ? "the \(grouped(overall.clusters)) documents"
      : "the \(grouped(overall.clusters)) segments of \(LanguageModelResult.segmentTokens) tokens "
        + "of the only document (so nothing is said of other documents)"
  }

  var bucketTable: String {
    let buckets = scoredBuckets
    let tokens = rows[0].result.buckets.map { grouped($0.estimate.total.tokens) }
    let documents = buckets.map { grouped(rows[0].result.documentCount(in: $0)) }
    let cells = rows.map { row in
      [row.cell] + row.result.buckets.map { fixed($0.estimate.perplexity, 2) }
    }
    return "Perplexity per token:\n\n"
      + markdownTable(
        ["system"] + buckets.map(\.label),
        [["documents"] + documents, ["scored tokens"] + tokens] + cells, firstNumber: 1)
  }

  /// Each system once, whatever it was evaluated on.
  static func systemTable(_ rows: [Row]) -> String {
    let header = [
      "system", "model", "adapter", "k", "memory tokens", "eviction", "reset", "query tokens",
      "block tokens", "seed", "layout", "keys and values of", "read by layers", "positions",
    ]
    var seen: Set<String> = []
    let cells = rows.filter { seen.insert($0.label).inserted }.map { row in
      let system = row.result.system
      let cells = [
        markdownText(row.label), identity(system.model), system.adapter.map(identity) ?? "—",
      ]
      guard let memory = system.memory else {
        return cells + Array(repeating: "—", count: header.count - cells.count)
      }
      return cells + [
        "\(memory.topK)", "\(memory.memoryTokens)", markdownText(memory.eviction),
        markdownText(memory.reset), row.query == nil ? "—" : "\(memory.queryTokens)",
        "\(memory.blockTokens)", memory.selection == .random ? "\(memory.seed)" : "—",
        memory.layoutName?.rawValue ?? "—",
      ] + (memory.layout.map(layout) ?? ["—", "—", "—"])
    }
    return markdownTable(header, cells, firstNumber: 3)
  }

  private static func layout(_ layout: MemoryConfiguration) -> [String] {
    let read = layout.retrievalLayers
    let isRun = read.count > 2 && read.last.map { $0 - read[0] } == read.count - 1
    let layers =
      isRun ? "\(read[0])–\(read[read.count - 1])" : read.map(String.init).joined(separator: " ")
    let source = layout.source == .shared ? "layer \(layout.memoryLayer)" : "each layer its own"
    return [source, layers + (layout.usesGate ? ", gated" : ""), layout.positions.rawValue]
  }

  private static func identity(_ identity: SystemLabel.Identity) -> String {
    "\(markdownText(identity.name)) \(code(shortDigest(identity.digest)))"
  }
}

func code(_ text: String) -> String { "`" + text.filter { !"`|".contains($0) } + "`" }
