import Modeling

/// What was evaluated: a model, perhaps an adapter, and the memory it read.
public struct SystemLabel: Equatable, Sendable {
  /// A name for people and a digest that tells two files of that name apart.
  public struct Identity: Equatable, Sendable {
    public var name: String
    public var digest: String

    public init(name: String, digest: String) {
      self.name = name
      self.digest = digest
    }
  }

  public var model: Identity
  /// nil: the base model.
  public var adapter: Identity?
  /// nil: memory off.
  public var memory: MemoryLabel?
  /// nil: a segment attends to itself and to memory.
  public var context: ContextLabel?
  /// How the rotary embedding was stretched for the run, such as `linear:4`; nil: as in the model.
  public var ropeScaling: String?

  public init(
    model: Identity, adapter: Identity? = nil, memory: MemoryLabel? = nil,
    context: ContextLabel? = nil, ropeScaling: String? = nil
  ) {
    self.model = model
    self.adapter = adapter
    self.memory = memory
    self.context = context
    self.ropeScaling = ropeScaling
  }

  /// What sets the system apart beside its adapter and memory: "context 4096 + 4 sinks". nil where
  /// nothing does.
  public var variant: String? {
    let parts = [context?.rules.name, ropeScaling.map { "RoPE \($0)" }].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// `off`, `recent`, `random`, `retrieved` or `oracle`.
  public var memoryName: String { memory?.selection.memoryName ?? "off" }

  /// Whether chunks were chosen by the text to predict, or a query that contains it: what comes out is
  /// then not a probability.
  public var seesFuture: Bool {
    memory?.selection == .oracle || memory?.selection == .nearest && memory?.query == .current
  }
}

/// What a plan says of itself.
public struct MemoryLabel: Equatable, Sendable {
  /// `ml-index --select`, or the choice of `ml-eval oracle`.
  public enum Selection: String, Sendable, CaseIterable {
    case recent, random, nearest, oracle

    public var memoryName: String { self == .nearest ? "retrieved" : rawValue }
  }

  /// `ml-embed --query`: the text before the block, or the block itself.
  public enum Query: String, Sendable {
    case previous, current, none
  }

  public var planDigest: String
  public var selection: Selection
  public var query: Query
  public var queryTokens: Int
  public var blockTokens: Int
  public var topK: Int
  public var memoryTokens: Int
  public var eviction: String
  public var reset: String
  /// Of random draws.
  public var seed: Int
  /// Where the keys and values come from, and which layers read them; nil in results of old.
  public var layout: MemoryConfiguration?
  /// The name of that, where it has one.
  public var layoutName: RetrievalLayout?
  /// Of the k chunks, the newest so many are always read.
  public var recentChunks: Int
  /// The local context that chunks have left before they are in memory; nil: the segment.
  public var contextTokens: Int?

  public init(
    planDigest: String, selection: Selection, query: Query, queryTokens: Int, blockTokens: Int,
    topK: Int, memoryTokens: Int, eviction: String, reset: String, seed: Int,
    layout: MemoryConfiguration? = nil, layoutName: RetrievalLayout? = nil, recentChunks: Int = 0,
    contextTokens: Int? = nil
  ) {
    self.planDigest = planDigest
    self.selection = selection
    self.query = query
    self.queryTokens = queryTokens
    self.blockTokens = blockTokens
    self.topK = topK
    self.memoryTokens = memoryTokens
    self.eviction = eviction
    self.reset = reset
    self.seed = seed
    self.layout = layout
    self.layoutName = layoutName
    self.recentChunks = recentChunks
    self.contextTokens = contextTokens
  }

  /// What may set two memories of one kind apart, beside the draws of random ones.
  var settings: [(name: String, value: String)] {
    var all = [
      ("k", "\(topK)"), ("memory tokens", "\(memoryTokens)"), ("block tokens", "\(blockTokens)"),
      ("eviction", eviction), ("reset", reset), ("newest chunks", "\(recentChunks)"),
      ("memory beyond", contextTokens.map(String.init) ?? "the segment"),
    ]
    guard let layout else { return all }
    let layers = layout.retrievalLayers.map(String.init).joined(separator: " ")
    let memoryLayer = "\(layout.memoryLayer)"
    all.append(("layout", layoutName?.rawValue ?? "of its own"))
    switch layoutName {
    case .all: break
    case .upper: all.append(("memory layer", memoryLayer))
    case .published: all += [("memory layer", memoryLayer), ("layers", layers)]
    case nil:
      all += [
        ("source", layout.source.rawValue), ("memory layer", memoryLayer), ("layers", layers),
        ("positions", layout.positions.rawValue),
      ]
    }
    return all + [("kept as", layout.precision.rawValue), ("gate", layout.usesGate ? "yes" : "no")]
  }
}
