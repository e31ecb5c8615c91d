import Kernels

/// The keys (before rotary embedding) and values of some tokens of a `LocalCache`, to be put aside.
public struct CachedTokens: Sendable, Equatable {
  public var count: Int
  /// [count, layers, kvHeads · headSize]
  public var keys: [Float]
  public var values: [Float]

  public init(count: Int, keys: [Float], values: [Float]) {
    precondition(keys.count == values.count)
    self.count = count
    self.keys = keys
    self.values = values
  }
}

extension LocalCache {
  /// What the tokens at `places` left here.
  public func stored(_ places: Range<Int>) -> CachedTokens {
    precondition(places.upperBound <= count)
    return CachedTokens(
      count: places.count, keys: gathered(places, kept.map(\.keys)),
      values: gathered(places, kept.map(\.values)))
  }

  private func gathered(_ places: Range<Int>, _ buffers: [FloatBuffer]) -> [Float] {
    let size = places.count * buffers.count * width
    return [Float](unsafeUninitializedCapacity: size) { target, filled in
      for (index, place) in places.enumerated() {
        for (layer, buffer) in buffers.enumerated() {
          let row = UnsafeMutableBufferPointer(
            rebasing: target[(index * buffers.count + layer) * width..<size].prefix(width))
          _ = row.initialize(
            from: UnsafeBufferPointer(start: buffer.pointer + place * width, count: width))
        }
      }
      filled = size
    }
  }

  /// Puts tokens of a cache of the same decoder behind those that are here.
  public func restore(_ tokens: CachedTokens) {
    precondition(count + tokens.count <= capacity, "a cache of \(capacity) tokens")
    precondition(tokens.keys.count == tokens.count * kept.count * width)
    scatter(tokens.keys, kept.map(\.keys))
    scatter(tokens.values, kept.map(\.values))
    grow(by: tokens.count)
  }

  private func scatter(_ rows: [Float], _ buffers: [FloatBuffer]) {
    rows.withUnsafeBufferPointer { rows in
      guard let base = rows.baseAddress else { return }
      for index in 0..<rows.count / width {
        let (token, layer) = index.quotientAndRemainder(dividingBy: buffers.count)
        (buffers[layer].pointer + (count + token) * width).update(
          from: base + index * width, count: width)
      }
    }
  }
}
