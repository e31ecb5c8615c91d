/// Where the memory's keys and values come from and which layers read them (DESIGN §1).
public struct MemoryConfiguration: Sendable, Equatable {
  /// Positions of memory and local tokens in the rotary embedding.
  public enum Positions: String, Sendable, CaseIterable {
    /// Memory keys stand at position 0, a segment's tokens at 1…S.
    case zero
    /// Memory keys take 0…M−1, the segment M…M+S−1.
    case continual
  }

  public enum Source: String, Sendable, CaseIterable {
    /// One memory layer feeds every retrieval layer, as published.
    case shared
    /// Each retrieval layer keeps and reads its own keys and values.
    case own
  }

  /// How stored keys and values are kept between segments.
  public enum Precision: String, Sendable, CaseIterable {
    case f32, bf16, f16
  }

  public var memoryLayer: Int
  /// Ascending, without repetition.
  public var retrievalLayers: [Int]
  public var positions: Positions
  public var source: Source
  public var precision: Precision
  public var usesGate: Bool
  /// Tokens of a chunk.
  public var chunkTokens: Int

  public init(
    memoryLayer: Int, retrievalLayers: [Int], positions: Positions = .zero,
    source: Source = .shared, precision: Precision = .f32, usesGate: Bool = false,
    chunkTokens: Int = 128
  ) {
    self.memoryLayer = memoryLayer
    self.retrievalLayers = retrievalLayers.sorted()
    self.positions = positions
    self.source = source
    self.precision = precision
    self.usesGate = usesGate
    self.chunkTokens = chunkTokens
  }

  /// The layers whose keys and values are kept; a chunk has one slot for each.
  public var sourceLayers: [Int] { source == .shared ? [memoryLayer] : retrievalLayers }

  /// The slot of a chunk that `layer` reads, nil for a layer without retrieval.
  func slot(readBy layer: Int) -> Int? {
    guard let index = retrievalLayers.firstIndex(of: layer) else { return nil }
    return source == .shared ? 0 : index
  }

  /// - Throws: `ModelError` naming a layer that the decoder does not have.
  public func validate(layerCount: Int) throws {
    for layer in [memoryLayer] + retrievalLayers where !(0..<layerCount).contains(layer) {
      throw ModelError("layer \(layer) is not one of the model's layers 0…\(layerCount - 1)")
    }
    guard !retrievalLayers.isEmpty else { throw ModelError("no retrieval layer is named") }
    guard Set(retrievalLayers).count == retrievalLayers.count else {
      throw ModelError("a retrieval layer is named twice")
    }
    // A layer below the memory layer reads chunks of earlier segments only, so any order works.
    guard chunkTokens > 0 else { throw ModelError("chunks of \(chunkTokens) tokens") }
  }
}
