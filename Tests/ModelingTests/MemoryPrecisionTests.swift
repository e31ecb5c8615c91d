import Modeling
import TestSupport
import XCTest

/// Keys and values that are kept narrow.
final class MemoryPrecisionTests: XCTestCase {
  /// What is kept is the float32 number rounded to nearest, ties to even, to the last bit.
  func testRoundTrip() throws {
    let precisions: [(MemoryConfiguration.Precision, (Float) -> Float)] = [
      (.f32, { $0 }), (.bf16, brainFloat), (.f16, { Float(Float16($0)) }),
    ]
    for source in MemoryConfiguration.Source.allCases {
      let exact = try chunk(source, .f32)
      for (precision, rounded) in precisions {
        let narrow = try chunk(source, precision)
        XCTAssertEqual(narrow.tokens, 5)
        for slot in 0..<(source == .shared ? 1 : 2) {
          let (kept, given) = (narrow.expanded(slot: slot), exact.expanded(slot: slot))
          XCTAssertEqual(kept.keys.count, 5 * 12)
          XCTAssertEqual(kept.keys, given.keys.map(rounded), "\(precision) keys")
          XCTAssertEqual(kept.values, given.values.map(rounded), "\(precision) values")
          XCTAssertEqual(kept.keys == given.keys, precision == .f32)
        }
      }
    }
  }

  /// Attention reads the rounded numbers.
  func testReading() throws {
    for precision in [MemoryConfiguration.Precision.bf16, .f16] {
      for positions in MemoryConfiguration.Positions.allCases {
        let memory = MemoryConfiguration(
          memoryLayer: 1, retrievalLayers: [1, 2], positions: positions, precision: precision)
        let lane = try TinyLane(TinyModel(memory: memory))
        for (index, segment) in TinySegment.script.enumerated() {
          lane.check(segment, "\(precision) \(positions), segment \(index)")
        }
      }
    }
  }

  private func chunk(
    _ source: MemoryConfiguration.Source, _ precision: MemoryConfiguration.Precision
  ) throws -> MemoryChunk {
    let memory = MemoryConfiguration(
      memoryLayer: 1, retrievalLayers: [0, 2], source: source, precision: precision)
    let pass = DecoderPass(try TinyModel(memory: memory).build().decoder, maximumTokens: 8)
    let tokens: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6]
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    return pass.memoryChunk(2..<7)
  }
}

/// The upper half of the bits, rounded by what the lower half says.
private func brainFloat(_ x: Float) -> Float {
  let (upper, lower) = (x.bitPattern >> 16, x.bitPattern & 0xFFFF)
  let isUp = lower > 0x8000 || lower == 0x8000 && upper & 1 == 1
  return Float(bitPattern: (upper + (isUp ? 1 : 0)) << 16)
}
