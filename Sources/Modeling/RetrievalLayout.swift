/// Which layers keep and read memory, by name: a preset of a `MemoryConfiguration`.
public enum RetrievalLayout: String, Sendable, CaseIterable {
  /// One memory layer feeds every fourth layer from it on at position zero, as published (arXiv
  /// 2408.16967 §3); segments are read alone.
  case published
  /// Every layer from the memory layer up keeps and reads its own keys and values.
  case upper
  /// Every layer does.
  case all

  /// The layer whose keys and values are kept, or the lowest that keeps its own.
  public func memoryLayer(layerCount: Int) -> Int { self == .all ? 0 : layerCount / 2 }

  /// The layers that read memory. A layer that the model lacks is refused elsewhere; here it may be any.
  public func retrievalLayers(from memoryLayer: Int, layerCount: Int) -> [Int] {
    switch self {
    case .published: Array(stride(from: max(0, memoryLayer), to: layerCount, by: 4))
    case .upper: Array(max(0, min(memoryLayer, layerCount - 1))..<layerCount)
    case .all: Array(0..<layerCount)
    }
  }

  public var source: MemoryConfiguration.Source { self == .published ? .shared : .own }

  public var positions: MemoryConfiguration.Positions { self == .published ? .zero : .continual }

  /// What a segment of so many tokens is read beside, unless told otherwise; nil: nothing.
  public func context(segmentTokens: Int) -> SlidingContext? {
    self == .published ? nil : .standard(segmentTokens: segmentTokens)
  }
}

extension MemoryConfiguration {
  /// The layout that this is in a decoder of so many layers; nil: none that has a name. Layers of the
  /// published one may be others: its warm-up reads in all above the memory layer.
  public func layout(layerCount: Int) -> RetrievalLayout? {
    RetrievalLayout.allCases.reversed().first { layout in
      layout.source == source && layout.positions == positions
        && (layout == .published
          || layout.retrievalLayers(from: memoryLayer, layerCount: layerCount) == retrievalLayers)
    }
  }
}
