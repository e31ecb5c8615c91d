/// How the memory chooses what to forget once it holds more chunks than its capacity.
public enum Eviction: String, CaseIterable, Sendable {
  /// The oldest tenth goes, then the least retrieved of the rest; the newest tenth is protected.
  case counter
  /// The oldest go.
  case fifo
  /// Those whose last retrieval (or entry, if never retrieved) lies farthest back go.
  case lru
  /// Nothing goes: the memory is unbounded.
  case none
}

/// Whether a new document finds an empty memory.
public enum MemoryReset: String, CaseIterable, Sendable {
  /// The memory is emptied when the document changes; that is not an eviction.
  case document
  /// The memory lives on from document to document.
  case never
}

/// Which live chunks a block retrieves. All but `nearest` are controls.
public enum Selection: String, CaseIterable, Sendable {
  /// The k with the largest inner product with the query; of equals, the older.
  case nearest
  /// The k newest.
  case recent
  /// k at random, every set of k live chunks equally likely.
  case random
}

/// The rules of one simulated memory.
public struct MemorySettings: Sendable {
  /// Chunks a block retrieves at most, ≥ 1.
  public var topK: Int
  /// Chunks the memory holds before it evicts, ≥ 1: ⌊memory tokens / chunk tokens⌋.
  /// `Eviction.none` ignores it.
  public var capacity: Int
  public var eviction: Eviction
  public var reset: MemoryReset
  public var selection: Selection
  /// Key of the generator behind `Selection.random`.
  public var seed: UInt64
  /// Of the k, so many are always the newest live chunks; the selection chooses the others. ≤ topK.
  public var alwaysRecent: Int
  /// The newest chunks of completed segments that are not in memory yet, because the reader's local
  /// context still holds them.
  public var heldBack: Int

  public init(
    topK: Int, capacity: Int, eviction: Eviction = .counter, reset: MemoryReset = .document,
    selection: Selection = .nearest, seed: UInt64 = 0, alwaysRecent: Int = 0, heldBack: Int = 0
  ) {
    precondition(topK >= 1 && capacity >= 1 && (0...topK).contains(alwaysRecent) && heldBack >= 0)
    self.topK = topK
    self.capacity = capacity
    self.eviction = eviction
    self.reset = reset
    self.selection = selection
    self.seed = seed
    self.alwaysRecent = alwaysRecent
    self.heldBack = heldBack
  }

  /// C = ⌊memory tokens / chunk tokens⌋; 0 where the memory is too small for a chunk.
  public static func capacity(memoryTokens: Int, chunkTokens: Int) -> Int {
    precondition(memoryTokens >= 0 && chunkTokens >= 1)
    return memoryTokens / chunkTokens
  }
}

/// What the data made impossible, in one line.
public struct IndexingError: Error, Equatable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
