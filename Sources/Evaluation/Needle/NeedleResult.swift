import Modeling
import Safetensors

/// One question asked.
public struct NeedleAnswer: Equatable, Sendable {
  /// Tokens of the text before the question.
  public var length: Int
  /// 0…1.
  public var depth: Double
  public var trial: Int
  public var key: String
  /// What was generated, greedily.
  public var answer: String
  public var isCorrect: Bool
  /// The key's place among the candidates by likelihood, 1 the best.
  public var rank: Int
  /// Whether the question read a chunk with the needle; nil with memory off.
  public var wasRetrieved: Bool?

  public init(
    length: Int, depth: Double, trial: Int, key: String, answer: String, isCorrect: Bool, rank: Int,
    wasRetrieved: Bool?
  ) {
    self.length = length
    self.depth = depth
    self.trial = trial
    self.key = key
    self.answer = answer
    self.isCorrect = isCorrect
    self.rank = rank
    self.wasRetrieved = wasRetrieved
  }
}

/// A retrieval test of one system: every answer, from which the matrices follow.
public struct NeedleResult: Equatable, Sendable {
  public static let schema = "memlong/needle-result"
  public static let schemaVersion = 1
  public static let convention =
    "correct: the greedy continuation is the key, digits exactly; rank: of the key's summed "
    + "log-likelihood among \(NeedleTrial.candidates) keys, 1 the best; retrieved: the question "
    + "read a chunk that holds a token of the needle, from memory or in its context"

  /// What a matrix shows.
  public enum Measure: String, CaseIterable, Sendable {
    case correct
    /// The key is likelier than every other candidate.
    case first
    case retrieved
  }

  public var toolVersion: String
  public var task: NeedleTask
  public var model: SystemLabel.Identity
  public var adapter: SystemLabel.Identity?
  /// nil: memory off.
  public var memory: TaskMemory?
  /// What segments and question were read beside; nil: each alone.
  public var context: SlidingContext?
  public var segmentTokens: Int
  /// Tokens of the text before the question in its own segment.
  public var localTokens: Int
  /// Digest of the haystack's text.
  public var haystack: String
  public var seed: Int
  public var answers: [NeedleAnswer]
  public var seconds: Double?
  public var provenance: JSONValue

  public init(
    toolVersion: String, task: NeedleTask, model: SystemLabel.Identity,
    adapter: SystemLabel.Identity?, memory: TaskMemory?, context: SlidingContext? = nil,
    segmentTokens: Int, localTokens: Int = 0, haystack: String,
    seed: Int, answers: [NeedleAnswer], seconds: Double? = nil, provenance: JSONValue = .null
  ) throws {
    guard !answers.isEmpty else { throw ResultError("answers: there is none") }
    self.toolVersion = toolVersion
    self.task = task
    self.model = model
    self.adapter = adapter
    self.memory = memory
    self.context = context
    self.segmentTokens = segmentTokens
    self.localTokens = localTokens
    self.haystack = haystack
    self.seed = seed
    self.answers = answers
    self.seconds = seconds
    self.provenance = provenance
  }

  public var lengths: [Int] { Set(answers.map(\.length)).sorted() }
  public var depths: [Double] { Set(answers.map(\.depth)).sorted() }

  /// [depths][lengths] shares of the trials; nil where none was asked or nothing is retrieved.
  public func matrix(_ measure: Measure) -> [[Double?]] {
    depths.map { depth in
      lengths.map { length in
        share(measure, of: answers.filter { $0.depth == depth && $0.length == length })
      }
    }
  }

  /// Over all answers.
  public func share(_ measure: Measure) -> Double? { share(measure, of: answers) }

  private func share(_ measure: Measure, of answers: [NeedleAnswer]) -> Double? {
    let hits: [Bool] = answers.compactMap {
      switch measure {
      case .correct: $0.isCorrect
      case .first: $0.rank == 1
      case .retrieved: $0.wasRetrieved
      }
    }
    return hits.isEmpty ? nil : Double(hits.count { $0 }) / Double(hits.count)
  }
}

extension NeedleResult {
  public var json: JSONValue {
    func rows(_ measure: Measure) -> JSONValue {
      .array(matrix(measure).map { .array($0.map { $0.map { .number($0) } ?? .null }) })
    }
    return .object([
      "schema": .string(Self.schema), "schema_version": .integer(Int64(Self.schemaVersion)),
      "tool": .object(["name": .string("ml-eval"), "version": .string(toolVersion)]),
      "task": .string(task.rawValue),
      "system": taskSystem.json,
      "segment_tokens": .integer(Int64(segmentTokens)),
      "local_tokens": .integer(Int64(localTokens)), "haystack_digest": .string(haystack),
      "seed": .integer(Int64(seed)),
      "lengths": .array(lengths.map { .integer(Int64($0)) }),
      "depths": .array(depths.map { .number($0) }),
      "matrix": .object(
        Dictionary(uniqueKeysWithValues: Measure.allCases.map { ($0.rawValue, rows($0)) })),
      "accuracy": share(.correct).map { .number($0) } ?? .null,
      "answers": .array(answers.map(\.json)), "convention": .string(Self.convention),
      "cost": seconds.map { .object(["seconds": .number($0)]) } ?? .null,
      "provenance": provenance,
    ])
  }

  /// - Throws: ``ResultError`` naming the first field that is missing or wrong.
  public init(json: JSONValue) throws {
    let root = try FieldReader(json, at: "")
    try root.require(schema: Self.schema, version: Self.schemaVersion)
    let system = try root.object("system")
    try self.init(
      toolVersion: try root.object("tool").string("version"), task: try root.choice("task"),
      model: try SystemLabel.Identity(fields: try system.object("model")),
      adapter: try system.optionalObject("adapter").map(SystemLabel.Identity.init(fields:)),
      memory: try system.optionalObject("memory").map(TaskMemory.init(fields:)),
      context: try SlidingContext(ofSystem: system),
      segmentTokens: try root.integer("segment_tokens", in: 1...1 << 30),
      localTokens: try root.integer("local_tokens", in: 0...1 << 30),
      haystack: try root.string("haystack_digest"), seed: try root.integer("seed"),
      answers: try root.array("answers").map(NeedleAnswer.init(fields:)),
      seconds: try root.optionalObject("cost")?.number("seconds"),
      provenance: json["provenance"] ?? .null)
  }
}

extension NeedleAnswer {
  fileprivate var json: JSONValue {
    [
      "length": .integer(Int64(length)), "depth": .number(depth), "trial": .integer(Int64(trial)),
      "key": .string(key), "answer": .string(answer), "correct": .bool(isCorrect),
      "rank": .integer(Int64(rank)),
      "retrieved": wasRetrieved.map { .bool($0) } ?? .null,
    ]
  }

  fileprivate init(fields: FieldReader) throws {
    let depth = try fields.number("depth")
    guard (0...1).contains(depth) else { throw ResultError("\(fields.path).depth: not in 0…1") }
    self.init(
      length: try fields.integer("length", in: 1...1 << 40), depth: depth,
      trial: try fields.integer("trial", in: 0...1 << 40), key: try fields.string("key"),
      answer: try fields.string("answer"), isCorrect: try fields.boolean("correct"),
      rank: try fields.integer("rank", in: 1...NeedleTrial.candidates),
      wasRetrieved: try fields.optionalBoolean("retrieved"))
  }
}
