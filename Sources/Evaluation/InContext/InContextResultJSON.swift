import Modeling
import Safetensors

extension InContextResult {
  public static let convention =
    "prefix: the label's name begins with the most likely next token, stripped, as published; "
    + "likelihood: the right label has the highest summed log-likelihood of all labels; deviation: "
    + "population standard deviation over seeds; draws: Python's random.seed(seed), "
    + "random.sample(train, shots), then random.sample(train, memory_demonstrations) for each item"

  /// The result as a JSON object. Only runs and targets are read back: accuracies follow.
  public var json: JSONValue {
    .object([
      "schema": .string(Self.schema), "schema_version": .integer(Int64(Self.schemaVersion)),
      "tool": .object(["name": .string("ml-eval"), "version": .string(toolVersion)]),
      "task": .string(task.rawValue), "template": .string(task.template.text),
      "labels": .array(task.labels.map { .string($0) }),
      "system": taskSystem.json,
      "data": .object(["train": train.json, "test": test.json]),
      "adds_begin_token": .bool(addsBeginToken), "items": .integer(Int64(targets.count)),
      "drawn": drawn.map { .array($0.map { .integer(Int64($0)) }) } ?? .null,
      "targets": .array(targets.map { .integer(Int64($0)) }),
      "rows": .array(
        runs.flatMap { run in InContextRule.allCases.map { row(of: run, $0) } }),
      "summary": .array(summaries.map(\.json)), "runs": .array(runs.map(\.json)),
      "convention": .string(Self.convention),
      "cost": seconds.map { .object(["seconds": .number($0)]) } ?? .null,
      "provenance": provenance,
    ])
  }

  private func row(of run: InContextRun, _ rule: InContextRule) -> JSONValue {
    [
      "shots": .integer(Int64(run.shots)),
      "memory_demonstrations": .integer(Int64(run.memoryShots)),
      "seed": .integer(Int64(run.seed)), "rule": .string(rule.rawValue),
      "correct": .integer(Int64(correct(run, rule).count { $0 })),
      "accuracy": .number(accuracy(run, rule)),
    ]
  }

  /// - Throws: ``ResultError`` naming the first field that is missing or wrong.
  public init(json: JSONValue) throws {
    let root = try FieldReader(json, at: "")
    try root.require(schema: Self.schema, version: Self.schemaVersion)
    let system = try root.object("system")
    let data = try root.object("data")
    let task: InContextTask = try root.choice("task")
    try self.init(
      toolVersion: try root.object("tool").string("version"), task: task,
      model: try SystemLabel.Identity(fields: try system.object("model")),
      adapter: try system.optionalObject("adapter").map(SystemLabel.Identity.init(fields:)),
      memory: try system.optionalObject("memory").map(TaskMemory.init(fields:)),
      context: try SlidingContext(ofSystem: system),
      train: try DataFile(fields: try data.object("train")),
      test: try DataFile(fields: try data.object("test")),
      addsBeginToken: try root.boolean("adds_begin_token"),
      drawn: try (json["drawn"] ?? .null) == .null ? nil : root.integers("drawn", in: 0...1 << 40),
      targets: try root.integers("targets", in: 0...task.labels.count - 1),
      runs: try root.array("runs").map { try InContextRun(fields: $0, labels: task.labels.count) },
      seconds: try root.optionalObject("cost")?.number("seconds"),
      provenance: json["provenance"] ?? .null)
  }
}

extension FieldReader {
  func require(schema: String, version: Int) throws {
    let (found, foundVersion) = (try string("schema"), try integer("schema_version"))
    guard found == schema, foundVersion == version else {
      throw ResultError(
        "expected \(schema) version \(version), found \(found) version \(foundVersion)")
    }
  }
}

extension InContextResult.DataFile {
  fileprivate var json: JSONValue {
    [
      "name": .string(name), "digest": .string(digest), "examples": .integer(Int64(examples)),
    ]
  }

  fileprivate init(fields: FieldReader) throws {
    self.init(
      name: try fields.string("name"), digest: try fields.string("digest"),
      examples: try fields.integer("examples", in: 0...1 << 40))
  }
}

extension InContextResult.Summary {
  fileprivate var json: JSONValue {
    [
      "shots": .integer(Int64(shots)), "memory_demonstrations": .integer(Int64(memoryShots)),
      "rule": .string(rule.rawValue), "seeds": .array(seeds.map { .integer(Int64($0)) }),
      "mean": .number(mean), "deviation": .number(deviation),
    ]
  }
}

extension InContextRun {
  fileprivate var json: JSONValue {
    [
      "shots": .integer(Int64(shots)), "memory_demonstrations": .integer(Int64(memoryShots)),
      "seed": .integer(Int64(seed)), "predictions": .array(predictions.map { .string($0) }),
      "log_likelihoods": .array(logLikelihoods.flatMap { $0 }.map { .number($0) }),
    ]
  }

  fileprivate init(fields: FieldReader, labels: Int) throws {
    let flat = try fields.numbers("log_likelihoods")
    guard flat.count.isMultiple(of: labels) else {
      throw ResultError(
        "\(fields.path).log_likelihoods: \(flat.count) numbers for \(labels) labels")
    }
    let counts = 0...1 << 30
    self.init(
      shots: try fields.integer("shots", in: counts),
      memoryShots: try fields.integer("memory_demonstrations", in: counts),
      seed: try fields.integer("seed"), predictions: try fields.strings("predictions"),
      logLikelihoods: stride(from: 0, to: flat.count, by: labels).map {
        Array(flat[$0..<$0 + labels])
      })
  }
}

extension TaskMemory {
  var json: JSONValue {
    var fields: [String: JSONValue] = [
      "select": .string(selection), "top_k": .integer(Int64(topK)),
      "memory_tokens": .integer(Int64(memoryTokens)), "chunk_tokens": .integer(Int64(chunkTokens)),
      "eviction": .string(eviction), "query_tokens": .integer(Int64(queryTokens)),
      "retriever": retriever?.json ?? .null,
    ]
    fields["layout"] = layout.map { .string($0.rawValue) }
    return .object(fields)
  }

  init(fields: FieldReader) throws {
    let counts = 0...1 << 40
    self.init(
      selection: try fields.string("select"), topK: try fields.integer("top_k", in: counts),
      memoryTokens: try fields.integer("memory_tokens", in: counts),
      chunkTokens: try fields.integer("chunk_tokens", in: counts),
      eviction: try fields.string("eviction"),
      queryTokens: try fields.integer("query_tokens", in: counts),
      retriever: try fields.optionalObject("retriever").map(SystemLabel.Identity.init(fields:)),
      layout: fields.has("layout") ? try fields.choice("layout") : nil)
  }
}
