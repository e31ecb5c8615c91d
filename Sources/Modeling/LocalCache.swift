import Kernels

/// The keys (before rotary embedding) and values of tokens already read, of every layer, so that the
/// next tokens attend to them without reading them again.
///
/// Positions belong to places in the cache and are given anew in every pass: after `remove` the rest
/// close ranks, as in the published decoding and in StreamingLLM (arXiv 2309.17453 §3.2).
public final class LocalCache {
  /// The most tokens it holds, those of the running segment among them.
  public let capacity: Int
  public private(set) var count = 0
  let width: Int
  let layers: [(keys: FloatBuffer, values: FloatBuffer)]
  private let rotated: FloatBuffer  // (capacity, Hkv·hd), one layer's at a time
  private let memory: MemoryConfiguration?

  /// Bytes of a cache of `capacity` tokens: keys and values of every layer, and one layer's rotated
  /// keys. nil where they are beyond any machine.
  public static func bytes(_ configuration: LlamaConfiguration, capacity: Int) -> Int? {
    let (count, overflow) = capacity.multipliedReportingOverflow(
      by: configuration.keyValueWidth * (2 * configuration.layerCount + 1)
        * MemoryLayout<Float>.stride)
    return overflow ? nil : count
  }

  public init(_ decoder: Decoder, capacity: Int) {
    self.capacity = capacity
    width = decoder.configuration.keyValueWidth
    memory = decoder.memory
    let size = capacity * width
    layers = decoder.layers.map { _ in (FloatBuffer(count: size), FloatBuffer(count: size)) }
    rotated = FloatBuffer(count: size)
  }

  /// Forgets the tokens at `places`.
  public func remove(_ places: Range<Int>) {
    precondition(places.upperBound <= count)
    let rest = (count - places.upperBound) * width
    for layer in layers {
      for buffer in [layer.keys, layer.values] {
        (buffer.pointer + places.lowerBound * width).update(
          from: buffer.pointer + places.upperBound * width, count: rest)
      }
    }
    count -= places.count
  }

  /// The keys and values that the tokens at `places` leave in memory.
  public func memoryChunk(_ places: Range<Int>) -> MemoryChunk {
    guard let memory else { preconditionFailure("a decoder without memory") }
    precondition(places.upperBound <= count)
    return MemoryChunk(
      places, of: memory.sourceLayers.map { layers[$0] }, width: width, precision: memory.precision)
  }

  /// Puts one layer's new keys and values behind the cached ones.
  ///
  /// - Returns: all of the layer's keys, a copy to be rotated in place, and all values.
  func append(
    _ keys: Floats, _ values: Floats, count added: Int, layer: Int
  ) -> (keys: MutableFloats, values: Floats) {
    precondition(count + added <= capacity, "a cache of \(capacity) tokens")
    (layers[layer].keys.pointer + count * width).update(from: keys, count: added * width)
    (layers[layer].values.pointer + count * width).update(from: values, count: added * width)
    rotated.copy(from: layers[layer].keys.floats, count: (count + added) * width)
    return (rotated.pointer, layers[layer].values.floats)
  }

  /// Counts the tokens that every layer has appended.
  func grow(by added: Int) { count += added }
}
