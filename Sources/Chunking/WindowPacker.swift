/// Cuts documents into windows, each a document of its own, and these into chunks. Chunks start
/// anew with each segment. Documents without tokens leave no trace, not even a number.
public struct WindowPacker: DocumentPacker {
  private let rules: WindowRules
  private let chunkTokens: Int
  private let packing: Packing
  private let separator: Int32?
  private let segments: [Range<Int>]

  private var origin: Int64 = 0
  private var window: Int64 = 0
  /// Of packing `.stream`: all documents so far, and where each source's tokens begin.
  private var joined: [Int32] = []
  private var sources: [(start: Int, source: UInt8)] = []

  /// - Parameters:
  ///   - packing: `.stream` cuts windows out of all documents joined; they are in memory until then.
  ///   - separator: with `.stream`, the token put between two documents, of the second one's source.
  public init(
    _ rules: WindowRules, chunkTokens: Int, packing: Packing = .document, separator: Int32? = nil
  ) {
    precondition(chunkTokens > 0)
    self.rules = rules
    self.chunkTokens = chunkTokens
    self.packing = packing
    self.separator = separator
    segments = rules.segments
  }

  public mutating func append(_ ids: [Int32], source: UInt8, to sink: Sink) throws {
    if ids.isEmpty { return }
    switch packing {
    case .document:
      try cut(ids, [(0, source)], to: sink)
    case .stream:
      sources.append((joined.count, source))
      if let separator, !joined.isEmpty { joined.append(separator) }
      joined += ids
    }
  }

  public mutating func finish(to sink: Sink) throws {
    guard !joined.isEmpty else { return }
    try cut(joined, sources, to: sink)
    (joined, sources) = ([], [])
  }

  private mutating func cut(
    _ ids: [Int32], _ sources: [(start: Int, source: UInt8)], to sink: Sink
  ) throws {
    for start in rules.starts(of: ids.count) {
      var ordinal: Int32 = 0
      for (number, segment) in segments.enumerated() {
        for first in stride(from: segment.lowerBound, to: segment.upperBound, by: chunkTokens) {
          let end = min(first + chunkTokens, segment.upperBound)
          try sink(
            PackedChunk(
              tokens: Array(ids[start + first..<start + end]), document: window, ordinal: ordinal,
              segment: Int32(number), source: source(at: start + first, sources), origin: origin))
          ordinal += 1
        }
      }
      window += 1
    }
    origin += 1
  }

  /// The last source that begins at `position` or before, by bisection.
  private func source(at position: Int, _ sources: [(start: Int, source: UInt8)]) -> UInt8 {
    var (low, high) = (0, sources.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if sources[middle].start <= position { low = middle } else { high = middle }
    }
    return sources[low].source
  }
}
