import Kernels

/// What the layers below `layer` make of one segment: all that the layers from there on need of them.
public struct FrozenStates: Sendable {
  /// The first layer that is still to be computed.
  public let layer: Int
  /// Tokens of each chunk of the segment.
  public let chunkLengths: [Int]
  /// The residual stream that enters `layer`, tokens × hidden.
  let hidden: StoredNumbers
  /// Of each chunk that a later segment reads, its keys and values in the source layers below
  /// `layer`, in their order.
  public let chunks: [MemoryChunk?]

  /// - Parameters:
  ///   - hidden: as `withHidden` gives it; tokens × hidden numbers of `precision`.
  ///   - chunks: one for each chunk of the segment.
  public init(
    layer: Int, chunkLengths: [Int], hidden: UnsafeRawBufferPointer,
    precision: MemoryConfiguration.Precision, chunks: [MemoryChunk?]
  ) {
    self.init(
      layer: layer, chunkLengths: chunkLengths,
      hidden: StoredNumbers(stored: hidden, precision: precision), chunks: chunks)
  }

  init(layer: Int, chunkLengths: [Int], hidden: StoredNumbers, chunks: [MemoryChunk?]) {
    precondition(chunks.count == chunkLengths.count)
    self.layer = layer
    self.chunkLengths = chunkLengths
    self.hidden = hidden
    self.chunks = chunks
  }

  /// The residual stream as it is kept.
  public func withHidden(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    try hidden.withBytes(body)
  }
}

/// Gives the frozen states of a lane's segments, in order.
public protocol FrozenStateSource {
  /// The first layer that is still to be computed.
  var layer: Int { get }

  /// - Throws: when it has none for `segment`.
  mutating func next(for segment: PlannedSegment) throws -> FrozenStates
}

extension MemoryConfiguration {
  /// The slots whose source layers lie below `layer`.
  public func frozenSlots(below layer: Int) -> [Int] {
    sourceLayers.indices.filter { sourceLayers[$0] < layer }
  }
}

extension DecoderPass {
  /// Computes the residual stream that enters `layer`, and what the layers below leave in memory.
  ///
  /// - Parameter cache: as for the whole forward pass; of these layers.
  public func forward(_ segment: Segment, below layer: Int, cache: LocalCache? = nil) {
    begin(segment, cache: cache)
    defer { cache?.grow(by: segment.tokens.count) }
    embed()
    run(0..<layer)
  }

  /// Computes the residual stream after the last layer from what the frozen layers made of `segment`.
  ///
  /// - Parameters:
  ///   - dropoutSeed: as for the whole forward pass.
  ///   - cache: as for the whole forward pass; of the layers that are left.
  public func forward(
    _ segment: Segment, from states: FrozenStates, dropoutSeed: UInt64?, cache: LocalCache? = nil
  ) {
    precondition(states.layer <= lowest)
    precondition(states.chunkLengths.reduce(0, +) == segment.tokens.count)
    begin(segment, dropoutSeed: dropoutSeed, cache: cache)
    defer { cache?.grow(by: segment.tokens.count) }
    states.hidden.expand(into: residual.pointer)
    let slots = decoder.memory?.frozenSlots(below: states.layer) ?? []
    var start = 0
    for (chunk, length) in zip(states.chunks, states.chunkLengths) {
      for (index, slot) in slots.enumerated() {
        chunk?.expand(
          slot: index, keys: captured[slot].keys.pointer + start,
          values: captured[slot].values.pointer + start)
      }
      start += length * configuration.keyValueWidth
    }
    run(states.layer..<configuration.layerCount)
  }
}
