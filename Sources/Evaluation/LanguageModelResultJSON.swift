import Modeling
import Safetensors

extension LanguageModelResult {
  /// What `word_perplexity`, `byte_perplexity` and `bits_per_byte` divide by; written into every
  /// result.
  public static let textConvention =
    "total nll over the words or bytes of the chunks that hold a scored token (a document's "
    + "unscored first token included); words as len(text.split()), bytes as UTF-8"

  /// The result as a JSON object. Only the sums in `documents` are read back: the rest follows.
  public var json: JSONValue {
    var fields = estimateFields(overall)
    fields["schema"] = .string(Self.schema)
    fields["schema_version"] = .integer(Int64(Self.schemaVersion))
    fields["tool"] = .object(["name": .string("ml-eval"), "version": .string(toolVersion)])
    fields["protocol"] = .string(protocolName)
    if let window { fields["window"] = window.json }
    fields["system"] = system.json
    if let dataSet { fields["data_set"] = .string(dataSet) }
    fields["chunks_digest"] = .string(chunksDigest)
    fields["tokens"] = .integer(Int64(tokens))
    fields["scored_tokens"] = .integer(Int64(scoredTokens))
    fields["words"] = .integer(Int64(words))
    fields["bytes"] = .integer(Int64(bytes))
    fields["word_perplexity"] = finite(wordPerplexity)
    fields["byte_perplexity"] = finite(bytePerplexity)
    fields["bits_per_byte"] = finite(bitsPerByte)
    fields["text_convention"] = .string(Self.textConvention)
    fields["bootstrap"] = .object([
      "resamples": .integer(Int64(bootstrap.resamples)), "seed": .integer(Int64(bootstrap.seed)),
      "level": .number(bootstrap.level),
    ])
    fields["buckets"] = .array(
      buckets.map {
        var row = estimateFields($0.estimate)
        row["from"] = .integer(Int64($0.bucket.from))
        row["to"] = $0.bucket.to.map { .integer(Int64($0)) } ?? .null
        row["scored_tokens"] = .integer(Int64($0.estimate.total.tokens))
        return .object(row)
      })
    fields["documents"] = .array(documents.map(\.json))
    fields["cost"] =
      seconds.map {
        .object(["seconds": .number($0), "tokens_per_second": finite(Double(tokens) / $0)])
      } ?? .null
    fields["provenance"] = provenance
    return .object(fields)
  }

  /// Throws ``ResultError`` naming the first field that is missing, of another type or out of
  /// range, or a mean that its documents' sums contradict.
  public init(json: JSONValue) throws {
    let root = try FieldReader(json, at: "")
    let schema = try root.string("schema")
    let version = try root.integer("schema_version")
    guard schema == Self.schema, version == Self.schemaVersion else {
      throw ResultError(
        "expected \(Self.schema) version \(Self.schemaVersion), found \(schema) version \(version)")
    }
    let documents = try root.array("documents").map(DocumentScore.init(fields:))
    guard Set(documents.map(\.document)).count == documents.count else {
      throw ResultError("documents: a document appears twice")
    }
    let cost = try root.optionalObject("cost")
    try self.init(
      toolVersion: try root.object("tool").string("version"),
      window: root.has("window") ? WindowProtocol(fields: root.object("window")) : nil,
      system: try SystemLabel(fields: root),
      dataSet: root.has("data_set") ? try root.string("data_set") : nil,
      chunksDigest: try root.string("chunks_digest"), documents: documents,
      bootstrap: try Bootstrap(fields: try root.object("bootstrap")),
      seconds: try cost?.number("seconds"), provenance: json["provenance"] ?? .null)
    let name = try root.string("protocol")
    guard name == protocolName else {
      throw ResultError("protocol: \(name), but the window's parameters say \(protocolName)")
    }
    let mean = try root.number("mean_nll")
    let scored = try root.integer("scored_tokens")
    guard scored == scoredTokens, abs(mean - overall.mean) <= 1e-9 * max(1, abs(mean)) else {
      throw ResultError(
        "mean_nll \(mean) of \(scored) tokens, but its documents' sums give \(overall.mean) of "
          + "\(scoredTokens)")
    }
  }

  private func estimateFields(_ estimate: Estimate) -> [String: JSONValue] {
    [
      "mean_nll": .number(estimate.mean), "mean_nll_interval": pair(estimate.interval),
      "perplexity": finite(estimate.perplexity),
      "perplexity_interval": pair(estimate.perplexityInterval),
      "interval_over": .string(estimate.kind.rawValue),
      "interval_clusters": .integer(Int64(estimate.clusters)),
    ]
  }
}

private func finite(_ value: Double) -> JSONValue { value.isFinite ? .number(value) : .null }

private func pair(_ interval: Interval?) -> JSONValue {
  interval.map { .array([finite($0.lower), finite($0.upper)]) } ?? .null
}

extension DocumentScore {
  /// A bound on every count, so that no sum of counts overflows.
  private static let largestCount = 1 << 40

  fileprivate var json: JSONValue {
    let total = total
    let estimate = Estimate((.documents, [total]), bootstrap: Bootstrap(resamples: 1))
    return .object([
      "document": .integer(Int64(document)), "tokens": .integer(Int64(tokens)),
      "scored_tokens": .integer(Int64(total.tokens)), "words": .integer(Int64(words)),
      "bytes": .integer(Int64(bytes)), "mean_nll": estimate.map { .number($0.mean) } ?? .null,
      "perplexity": estimate.map { finite($0.perplexity) } ?? .null,
      "segments": .object([
        "scored_tokens": .array(segmentTokens.map { .integer(Int64($0)) }),
        "nll": .array(segmentNLL.map { .number($0) }),
      ]),
    ])
  }

  fileprivate init(fields: FieldReader) throws {
    let counts = 0...Self.largestCount
    let segments = try fields.object("segments")
    let scored = try segments.integers(
      "scored_tokens", in: 0...LanguageModelResult.segmentTokens)
    let nll = try segments.numbers("nll")
    guard scored.count == nll.count else {
      throw ResultError(
        "\(segments.path): \(scored.count) counts but \(nll.count) sums")
    }
    self.init(
      document: try fields.integer("document"), tokens: try fields.integer("tokens", in: counts),
      words: try fields.integer("words", in: counts),
      bytes: try fields.integer("bytes", in: counts), segmentTokens: scored, segmentNLL: nll)
  }
}

extension Bootstrap {
  fileprivate init(fields: FieldReader) throws {
    let level = try fields.number("level")
    guard level > 0, level < 1 else {
      throw ResultError("\(fields.path).level: expected a number between 0 and 1")
    }
    self.init(
      resamples: try fields.integer("resamples", in: 1...10_000),
      seed: try fields.integer("seed"), level: level)
  }
}

extension SystemLabel {
  fileprivate var json: JSONValue {
    var fields: [String: JSONValue] = [
      "model": model.json, "adapter": adapter?.json ?? .null, "memory": .string(memoryName),
      "plan": memory?.json ?? .null,
    ]
    if let context { fields["context"] = context.json }
    if let ropeScaling { fields["rope_scaling"] = .string(ropeScaling) }
    if let layout = memory?.layout { fields["memory_layout"] = .object(layout.published) }
    if let name = memory?.layoutName { fields["layout"] = .string(name.rawValue) }
    return .object(fields)
  }

  fileprivate init(fields root: FieldReader) throws {
    let fields = try root.object("system")
    self.init(
      model: try Identity(fields: try fields.object("model")),
      adapter: try fields.optionalObject("adapter").map(Identity.init(fields:)),
      memory: try fields.optionalObject("plan").map(MemoryLabel.init(fields:)),
      context: fields.has("context") ? try ContextLabel(fields: fields.object("context")) : nil,
      ropeScaling: fields.has("rope_scaling") ? try fields.string("rope_scaling") : nil)
    if fields.has("memory_layout") {
      memory?.layout = try MemoryConfiguration(published: fields.value("memory_layout"))
    }
    if fields.has("layout") { memory?.layoutName = try fields.choice("layout") as RetrievalLayout }
    let name = try fields.string("memory")
    guard name == memoryName else {
      throw ResultError("system.memory: \(name), but its plan says \(memoryName)")
    }
  }
}

extension SystemLabel.Identity {
  var json: JSONValue { .object(["name": .string(name), "digest": .string(digest)]) }

  init(fields: FieldReader) throws {
    self.init(name: try fields.string("name"), digest: try fields.string("digest"))
  }
}

extension MemoryLabel {
  fileprivate var json: JSONValue {
    var fields: [String: JSONValue] = [
      "digest": .string(planDigest), "select": .string(selection.rawValue),
      "query": .string(query.rawValue), "query_tokens": .integer(Int64(queryTokens)),
      "block_tokens": .integer(Int64(blockTokens)), "top_k": .integer(Int64(topK)),
      "memory_tokens": .integer(Int64(memoryTokens)), "eviction": .string(eviction),
      "reset": .string(reset), "seed": .integer(Int64(seed)),
    ]
    if recentChunks > 0 { fields["recent_chunks"] = .integer(Int64(recentChunks)) }
    fields["context_tokens"] = contextTokens.map { .integer(Int64($0)) }
    return .object(fields)
  }

  fileprivate init(fields: FieldReader) throws {
    self.init(
      planDigest: try fields.string("digest"), selection: try fields.choice("select"),
      query: try fields.choice("query"), queryTokens: try fields.integer("query_tokens"),
      blockTokens: try fields.integer("block_tokens"), topK: try fields.integer("top_k"),
      memoryTokens: try fields.integer("memory_tokens"), eviction: try fields.string("eviction"),
      reset: try fields.string("reset"), seed: try fields.integer("seed"),
      recentChunks: fields.has("recent_chunks") ? try fields.integer("recent_chunks") : 0,
      contextTokens: fields.has("context_tokens") ? try fields.integer("context_tokens") : nil)
  }
}
