import Kernels

extension MemoryConfiguration.Precision {
  /// Bytes of a number.
  public var byteWidth: Int { self == .f32 ? 4 : 2 }

  /// Writes `count` float32 numbers to `target` as they are kept.
  func store(_ source: Floats, count: Int, to target: UnsafeMutableRawPointer) {
    switch self {
    case .f32: target.copyMemory(from: source, byteCount: count * 4)
    case .bf16:
      convertFloatToBF16(target.assumingMemoryBound(to: UInt16.self), source, count: count)
    case .f16:
      convertFloatToF16(target.assumingMemoryBound(to: UInt16.self), source, count: count)
    }
  }

  /// The float32 numbers that `bytes` are kept for.
  func expand(_ bytes: UnsafeRawBufferPointer, into target: MutableFloats) {
    guard let base = bytes.baseAddress else { return }
    let count = bytes.count / byteWidth
    switch self {
    case .f32: UnsafeMutableRawPointer(target).copyMemory(from: base, byteCount: count * 4)
    case .bf16:
      convertBF16ToFloat(target, base.assumingMemoryBound(to: UInt16.self), count: count)
    case .f16:
      convertF16ToFloat(target, base.assumingMemoryBound(to: UInt16.self), count: count)
    }
  }
}

/// Numbers in RAM at the memory's precision.
struct StoredNumbers: Sendable {
  private let place: HeapPlace
  private let precision: MemoryConfiguration.Precision

  init(_ source: Floats, count: Int, precision: MemoryConfiguration.Precision) {
    self.precision = precision
    place = HeapPlace(count * precision.byteWidth) { target in
      guard let base = target.baseAddress else { return }
      precision.store(source, count: count, to: base)
    }
  }

  /// - Parameter bytes: as `withBytes` gives them.
  init(stored bytes: UnsafeRawBufferPointer, precision: MemoryConfiguration.Precision) {
    self.precision = precision
    place = HeapPlace(bytes.count) { $0.copyMemory(from: bytes) }
  }

  func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    try withExtendedLifetime(place) { try body(place.bytes) }
  }

  func expand(into target: MutableFloats) {
    withBytes { precision.expand($0, into: target) }
  }
}
