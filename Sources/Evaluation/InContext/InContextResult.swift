import Modeling
import Safetensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The memory of a task that plans in its own process.
public struct TaskMemory: Equatable, Sendable {
  /// `nearest`, `recent`, `random` or `all`.
  public var selection: String
  public var topK: Int
  public var memoryTokens: Int
  public var chunkTokens: Int
  public var eviction: String
  /// Tokens of the prompt that make its query.
  public var queryTokens: Int
  /// nil for controls.
  public var retriever: SystemLabel.Identity?
  /// The name of which layers keep and read it, where that has one.
  public var layout: RetrievalLayout?

  public init(
    selection: String, topK: Int, memoryTokens: Int, chunkTokens: Int, eviction: String,
    queryTokens: Int, retriever: SystemLabel.Identity?, layout: RetrievalLayout? = nil
  ) {
    self.selection = selection
    self.topK = topK
    self.memoryTokens = memoryTokens
    self.chunkTokens = chunkTokens
    self.eviction = eviction
    self.queryTokens = queryTokens
    self.retriever = retriever
    self.layout = layout
  }
}

/// The answers of one setting and seed; items in the order of the test set.
public struct InContextRun: Equatable, Sendable {
  /// Demonstrations in context, and in memory.
  public var shots: Int
  public var memoryShots: Int
  public var seed: Int
  /// [items] the most likely next token as text.
  public var predictions: [String]
  /// [items][labels] in nats.
  public var logLikelihoods: [[Double]]

  public init(
    shots: Int, memoryShots: Int, seed: Int, predictions: [String] = [],
    logLikelihoods: [[Double]] = []
  ) {
    self.shots = shots
    self.memoryShots = memoryShots
    self.seed = seed
    self.predictions = predictions
    self.logLikelihoods = logLikelihoods
  }
}

/// An in-context evaluation of one task and system: the answers, from which accuracies follow.
public struct InContextResult: Equatable, Sendable {
  public static let schema = "memlong/icl-result"
  public static let schemaVersion = 1

  /// A file of examples by its contents.
  public struct DataFile: Equatable, Sendable {
    public var name: String
    public var digest: String
    public var examples: Int

    public init(name: String, digest: String, examples: Int) {
      self.name = name
      self.digest = digest
      self.examples = examples
    }
  }

  public var toolVersion: String
  public var task: InContextTask
  public var model: SystemLabel.Identity
  public var adapter: SystemLabel.Identity?
  /// nil: memory off, every run without demonstrations in memory.
  public var memory: TaskMemory?
  /// What the texts in memory were read beside; nil: each chunk was read alone.
  public var context: SlidingContext?
  public var train: DataFile
  public var test: DataFile
  /// Whether each text begins with the tokenizer's begin token.
  public var addsBeginToken: Bool
  /// [items] the number of each in the test file, ascending; nil: all were asked.
  public var drawn: [Int]?
  /// [items] the right label of each test item that was asked.
  public var targets: [Int]
  public var runs: [InContextRun]
  public var seconds: Double?
  public var provenance: JSONValue

  /// - Throws: ``ResultError`` where a run does not fit the items and labels, or is there twice.
  public init(
    toolVersion: String, task: InContextTask, model: SystemLabel.Identity,
    adapter: SystemLabel.Identity?, memory: TaskMemory?, context: SlidingContext? = nil,
    train: DataFile, test: DataFile,
    addsBeginToken: Bool, drawn: [Int]? = nil, targets: [Int], runs: [InContextRun],
    seconds: Double? = nil,
    provenance: JSONValue = .null
  ) throws {
    self.toolVersion = toolVersion
    self.task = task
    self.model = model
    self.adapter = adapter
    self.memory = memory
    self.context = context
    self.train = train
    self.test = test
    self.addsBeginToken = addsBeginToken
    self.drawn = drawn
    self.targets = targets
    self.runs = runs
    self.seconds = seconds
    self.provenance = provenance
    try check()
  }

  private func check() throws {
    let labels = task.labels.count
    guard !targets.isEmpty, targets.allSatisfy({ (0..<labels).contains($0) }) else {
      throw ResultError("targets: expected labels from 0 to \(labels - 1), at least one")
    }
    guard drawn?.count ?? targets.count == targets.count else {
      throw ResultError("drawn: expected the numbers of \(targets.count) items")
    }
    guard !runs.isEmpty else { throw ResultError("runs: there is none") }
    for (index, run) in runs.enumerated() {
      let likelihoods = run.logLikelihoods
      guard run.predictions.count == targets.count, likelihoods.count == targets.count,
        likelihoods.allSatisfy({ $0.count == labels && $0.allSatisfy(\.isFinite) })
      else {
        throw ResultError(
          "runs[\(index)]: expected a prediction and \(labels) finite log-likelihoods for each of "
            + "\(targets.count) items")
      }
      let twin = runs[..<index].contains {
        $0.shots == run.shots && $0.memoryShots == run.memoryShots && $0.seed == run.seed
      }
      guard !twin else { throw ResultError("runs[\(index)]: the same setting and seed twice") }
    }
  }

  /// Which of `count` test items to ask where `limit` are to be: drawn, since some files have one label
  /// after the other. nil: all.
  public static func draw(_ limit: Int?, of count: Int, seed: UInt64) -> [Int]? {
    guard let limit, limit < count else { return nil }
    var random = PythonRandom(seed: seed)
    return random.sample(count, limit).sorted()
  }

  /// Whether each item was answered rightly.
  public func correct(_ run: InContextRun, _ rule: InContextRule) -> [Bool] {
    targets.indices.map { item in
      switch rule {
      case .prefix:
        return InContextRule.accepts(run.predictions[item], label: task.labels[targets[item]])
      case .likelihood:
        let scores = run.logLikelihoods[item]
        let best = scores.indices.max { scores[$0] < scores[$1] }
        return best == targets[item]
      }
    }
  }

  public func accuracy(_ run: InContextRun, _ rule: InContextRule) -> Double {
    Double(correct(run, rule).count { $0 }) / Double(targets.count)
  }

  /// The mean over seeds of one setting.
  public struct Summary: Equatable, Sendable {
    public var shots: Int
    public var memoryShots: Int
    public var rule: InContextRule
    public var seeds: [Int]
    public var mean: Double
    /// Population standard deviation over the seeds (numpy's default, as published).
    public var deviation: Double
  }

  /// By setting in the order of the runs, then by rule.
  public var summaries: [Summary] {
    var settings: [[Int]] = []
    for run in runs where !settings.contains([run.shots, run.memoryShots]) {
      settings.append([run.shots, run.memoryShots])
    }
    return settings.flatMap { setting in
      let own = runs.filter { [$0.shots, $0.memoryShots] == setting }
      return InContextRule.allCases.map { rule in
        let values = own.map { accuracy($0, rule) }
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        return Summary(
          shots: setting[0], memoryShots: setting[1], rule: rule, seeds: own.map(\.seed),
          mean: mean, deviation: variance.squareRoot())
      }
    }
  }

  /// A line for people of each setting.
  public var lines: [String] {
    summaries.map {
      "\(task.rawValue), \($0.shots) shots, \($0.memoryShots) in memory, \($0.rule.rawValue) rule: "
        + "\(fixed($0.mean * 100, 2)) ± \(fixed($0.deviation * 100, 2)) % of \(targets.count)"
    }
  }
}
