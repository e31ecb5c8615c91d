import Foundation
import Modeling

/// cos and sin of every position that a segment needs, from frequencies that fixtures vouch for.
struct RotaryAngles {
  private let half: Int
  private let cosines: [Double]
  private let sines: [Double]
  private let positions: MemoryConfiguration.Positions?

  /// A dynamic base follows the last position of the segment, which under `continual` stands behind
  /// the longest retrieved set.
  init(_ decoder: ReferenceDecoder, tokens: Int, blocks: [ReferenceBlock]) {
    let longest = blocks.map(\.memoryTokens).max() ?? 0
    positions = decoder.memory?.positions
    let count: Int
    switch positions {
    case .zero: count = tokens + 1
    case .continual: count = tokens + longest
    case nil: count = tokens
    }
    let rope = decoder.configuration.rope
    let frequencies = rope.inverseFrequencies(length: count).map(Double.init)
    let scaling = Double(rope.attentionScaling)
    half = frequencies.count
    let angles = (0..<count).flatMap { position in frequencies.map { Double(position) * $0 } }
    cosines = angles.map { cos($0) * scaling }
    sines = angles.map { sin($0) * scaling }
  }

  /// Where a segment's first token stands.
  func firstLocalPosition(memoryTokens: Int) -> Int {
    switch positions {
    case .zero: return 1
    case .continual: return memoryTokens
    case nil: return 0
    }
  }

  /// The head at `start` of `x`, turned to `position`.
  func turn(_ x: [Double], at start: Int, position: Int) -> [Double] {
    var y = [Double](repeating: 0, count: 2 * half)
    for i in 0..<half {
      let (c, s) = (cosines[position * half + i], sines[position * half + i])
      y[i] = x[start + i] * c - x[start + half + i] * s
      y[half + i] = x[start + half + i] * c + x[start + i] * s
    }
    return y
  }
}
