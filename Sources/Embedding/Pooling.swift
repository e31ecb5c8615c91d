import Kernels

/// How the hidden states of a text become one vector.
public enum Pooling: String, CaseIterable, Sendable {
  case mean
  /// The first token's.
  case cls

  /// L2-normalised vectors [texts, H] from hidden states [T, H] of texts that stand one after
  /// another, `lengths` tokens each (at least one).
  public func vectors(_ hidden: Floats, lengths: [Int], width: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: lengths.count * width) { buffer, initialised in
      var rows = hidden
      for (text, length) in lengths.enumerated() {
        let vector = buffer.baseAddress! + text * width
        vector.initialize(from: rows, count: width)
        if self == .mean {
          // The mean's 1/length drops out in the norm.
          for token in 1..<max(length, 1) {
            let row = rows + token * width
            for i in 0..<width { vector[i] += row[i] }
          }
        }
        normalise(vector, width)
        rows += length * width
      }
      initialised = lengths.count * width
    }
  }

  private func normalise(_ vector: MutableFloats, _ width: Int) {
    var square = 0.0
    for i in 0..<width { square += Double(vector[i]) * Double(vector[i]) }
    let scale = Float(1 / max(square.squareRoot(), 1e-12))
    for i in 0..<width { vector[i] *= scale }
  }
}
