import Kernels
import XCTest

/// A small repeatable generator (splitmix64).
struct Random {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in -1...1, times scale.
  mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in
      (Float(next() >> 40) / Float(1 << 23) - 1) * scale
    }
  }

  mutating func ids(_ count: Int, below limit: Int) -> [Int32] {
    (0..<count).map { _ in Int32(next() % UInt64(limit)) }
  }
}

/// Element by element: |a - b| <= tolerance * (1 + |b|).
func assertClose(
  _ a: [Float], _ b: [Double], tolerance: Double = 2e-5, _ what: String = "",
  file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertEqual(a.count, b.count, what, file: file, line: line)
  for i in 0..<min(a.count, b.count) {
    let bound = tolerance * (1 + abs(b[i]))
    guard abs(Double(a[i]) - b[i]) <= bound else {
      XCTFail("\(what) [\(i)]: \(a[i]) is not \(b[i])", file: file, line: line)
      return
    }
  }
}

func doubles(_ x: [Float]) -> [Double] { x.map(Double.init) }

/// The same bits.
func assertSame(
  _ a: [Float], _ b: [Float], _ what: String = "", file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertTrue(
    a.map(\.bitPattern) == b.map(\.bitPattern), "\(what): the bits differ", file: file, line: line)
}

let one = Workers(threads: 1)
let two = Workers(threads: 2)
let workerCounts = [1, 2, 3].map { Workers(threads: $0) }
