import Kernels

/// The keys (before rotary embedding) and values of tokens already read, of every layer that is run, so
/// that the next tokens attend to them without reading them again.
///
/// Positions belong to places in the cache and are given anew in every pass: after `remove` the rest
/// close ranks, as in the published decoding and in StreamingLLM (arXiv 2309.17453 §3.2).
public final class LocalCache {
  /// The most tokens it holds, those of the running segment among them.
  public let capacity: Int
  public private(set) var count = 0
  /// The layers whose keys and values it holds.
  public let layers: Range<Int>
  /// Numbers of a token's keys, or values, in one layer.
  public let width: Int
  let kept: [LayerCache]
  private let rotated: FloatBuffer  // (capacity, Hkv·hd), one layer's at a time
  private let memory: MemoryConfiguration?

  /// Bytes of a cache of `capacity` tokens: keys and values of the layers (nil: of every one), and one
  /// layer's rotated keys. nil where they are beyond any machine.
  public static func bytes(
    _ configuration: LlamaConfiguration, capacity: Int, layers: Range<Int>? = nil
  ) -> Int? {
    let (count, overflow) = capacity.multipliedReportingOverflow(
      by: configuration.keyValueWidth * (2 * (layers?.count ?? configuration.layerCount) + 1)
        * MemoryLayout<Float>.stride)
    return overflow ? nil : count
  }

  /// - Parameter layers: those that will be run; nil: every one.
  public init(_ decoder: Decoder, capacity: Int, layers: Range<Int>? = nil) {
    self.capacity = capacity
    self.layers = layers ?? 0..<decoder.layers.count
    width = decoder.configuration.keyValueWidth
    memory = decoder.memory
    let size = capacity * width
    kept = self.layers.map { _ in
      LayerCache(keys: FloatBuffer(count: size), values: FloatBuffer(count: size))
    }
    rotated = FloatBuffer(count: size)
  }

  /// Forgets the tokens at `places`.
  public func remove(_ places: Range<Int>) {
    precondition(places.upperBound <= count)
    let rest = (count - places.upperBound) * width
    for layer in kept {
      for buffer in [layer.keys, layer.values] {
        (buffer.pointer + places.lowerBound * width).update(
          from: buffer.pointer + places.upperBound * width, count: rest)
      }
    }
    count -= places.count
  }

  /// Forgets as many tokens as it takes for `added` ones to span no more than `limit` with the rest: the
  /// oldest but for the first `sinks`.
  public func makeRoom(for added: Int, sinks: Int, limit: Int) {
    let excess = count + added - limit
    if excess > 0 { remove(sinks..<sinks + excess) }
  }

  /// The keys and values that the tokens at `places` leave in memory, in RAM.
  public func memoryChunk(_ places: Range<Int>) -> MemoryChunk {
    MemoryChunk(contents(places))
  }

  /// The same in `store`.
  ///
  /// - Throws: where it has no room.
  public func memoryChunk(_ places: Range<Int>, in store: MemoryStore) throws -> MemoryChunk {
    try MemoryChunk(contents(places), in: store)
  }

  private func contents(_ places: Range<Int>) -> ChunkContents {
    guard let memory else { preconditionFailure("a decoder without memory") }
    precondition(places.upperBound <= count)
    return ChunkContents(
      places, of: memory.sourceLayers.map { (self[$0].keys, self[$0].values) }, width: width,
      precision: memory.precision)
  }

  /// Puts one layer's new keys and values behind the cached ones.
  ///
  /// - Returns: all of the layer's keys, a copy to be rotated in place, and all values.
  func append(
    _ keys: Floats, _ values: Floats, count added: Int, layer: Int
  ) -> (keys: MutableFloats, values: Floats) {
    precondition(count + added <= capacity, "a cache of \(capacity) tokens")
    (self[layer].keys.pointer + count * width).update(from: keys, count: added * width)
    (self[layer].values.pointer + count * width).update(from: values, count: added * width)
    return contents(of: layer, count: count + added)
  }

  /// The first `count` keys of a layer, a copy to be rotated in place, and its values.
  func contents(of layer: Int, count: Int) -> (keys: MutableFloats, values: Floats) {
    rotated.copy(from: self[layer].keys.floats, count: count * width)
    return (rotated.pointer, self[layer].values.floats)
  }

  /// Counts the tokens that every layer has appended.
  func grow(by added: Int) { count += added }

  /// One layer's keys and values where they lie, of which the first `count` tokens' count.
  public subscript(layer: Int) -> LayerCache { kept[layer - layers.lowerBound] }

  /// Holds what another cache of these layers held.
  ///
  /// - Parameter stored: by layer, the keys and values of `count` tokens.
  public func restore(count: Int, from stored: [LayerCache]) {
    precondition(count <= capacity && (count == 0 || stored.count == layers.count))
    self.count = count
    guard count > 0 else { return }
    for (own, other) in zip(kept, stored) {
      own.keys.copy(from: other.keys.floats, count: count * width)
      own.values.copy(from: other.values.floats, count: count * width)
    }
  }
}

/// One layer's keys (before rotary embedding) and values, (tokens, Hkv·hd) each.
public struct LayerCache: Sendable {
  public let keys, values: FloatBuffer

  public init(keys: FloatBuffer, values: FloatBuffer) {
    self.keys = keys
    self.values = values
  }
}
