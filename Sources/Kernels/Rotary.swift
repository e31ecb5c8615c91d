import CKernels

/// cos and sin [positions, headSize / 2] of position times inverse frequency, times a scaling.
public struct RotaryTable: Sendable {
  public let positions: Range<Int>
  public let halfSize: Int
  let cosines, sines: [Float]

  /// The angle is the f32 product of position and frequency, as Hugging Face's models take it.
  public init(inverseFrequencies: [Float], positions: Range<Int>, scaling: Float = 1) {
    self.positions = positions
    halfSize = inverseFrequencies.count
    var (cosines, sines) = ([Float](), [Float]())
    cosines.reserveCapacity(positions.count * halfSize)
    sines.reserveCapacity(positions.count * halfSize)
    for position in positions {
      for frequency in inverseFrequencies {
        let angle = Double(Float(position) * frequency)
        cosines.append(Float(ml_scalar_cos(angle)) * scaling)
        sines.append(Float(ml_scalar_sin(angle)) * scaling)
      }
    }
    (self.cosines, self.sines) = (cosines, sines)
  }

  /// base^(-2i / headSize), i in 0..<headSize / 2
  public static func inverseFrequencies(base: Double, headSize: Int) -> [Float] {
    (0..<headSize / 2).map { i in
      1 / Float(ml_scalar_pow(base, Double(Float(2 * i) / Float(headSize))))
    }
  }
}

/// Rotates x[tokens, heads * headSize] in place: in each head (a, b), halves of headSize, becomes
/// (a cos - b sin, b cos + a sin), by the angles of positions firstPosition + 0, 1, …; `inverse`
/// rotates back, which is also the gradient. `stride`: floats between tokens.
public func rotate(
  _ x: MutableFloats, tokens: Int, heads: Int, headSize: Int, stride: Int, table: RotaryTable,
  firstPosition: Int, inverse: Bool = false, workers: Workers
) {
  let half = table.halfSize
  precondition(headSize == 2 * half)
  precondition(
    tokens == 0
      || table.positions.lowerBound <= firstPosition
        && firstPosition + tokens <= table.positions.upperBound
  )
  let offset = firstPosition - table.positions.lowerBound
  let sign = SIMD16<Float>(repeating: inverse ? -1 : 1)
  table.cosines.withUnsafeBufferPointer { cosines in
    table.sines.withUnsafeBufferPointer { sines in
      guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
      nonisolated(unsafe) let (c, s) = (cosines + offset * half, sines + offset * half)
      workers.forRanges(tokens, grain: 64) { range in
        for t in range {
          for h in 0..<heads {
            let a = x + t * stride + h * headSize
            rotateHead(a, a + half, c + t * half, s + t * half, sign, half)
          }
        }
      }
    }
  }
}

@inline(__always)
private func rotateHead(
  _ a: MutableFloats, _ b: MutableFloats, _ cosines: Floats, _ sines: Floats,
  _ sign: SIMD16<Float>, _ half: Int
) {
  @inline(__always) func step(_ i: Int, _ n: Int) {
    let (c, s) = (load(cosines + i, n), load(sines + i, n) * sign)
    let (u, v) = (load(a + i, n), load(b + i, n))
    store(a + i, ml_madd(u, c, -(v * s)), n)
    store(b + i, ml_madd(v, c, u * s), n)
  }
  eachVector(half, step)
}
