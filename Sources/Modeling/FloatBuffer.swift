import Glibc
import Kernels

/// Float32 memory aligned for vector loads, zero at first, freed with its owner.
///
/// Shared between worker threads that write disjoint parts; the code that hands it out keeps them apart.
public final class FloatBuffer: @unchecked Sendable {
  public let count: Int
  public let pointer: MutableFloats
  /// Whose memory this is a part of, if it is.
  private let owner: FloatBuffer?

  public convenience init(count: Int) {
    self.init(unfilled: count)
    zero()
  }

  /// Memory that the caller fills. Large ones ask for large pages: making pages costs more than
  /// expanding a weight into them.
  init(unfilled count: Int) {
    owner = nil
    precondition(count >= 0)
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    let page = Int(getpagesize())
    let start = (Int(bitPattern: raw) + page - 1) / page * page
    let end = (Int(bitPattern: raw) + bytes) / page * page
    // advice only: where it is not taken, nothing changes
    if bytes >= Self.large {
      madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_HUGEPAGE)
    }
  }

  private static let large = 2 << 20

  public convenience init(_ values: [Float]) {
    self.init(unfilled: values.count)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: count) }
    }
  }

  /// A part of `owner`: the same memory, kept as long as this.
  init(_ range: Range<Int>, of owner: FloatBuffer) {
    precondition(range.lowerBound >= 0 && range.upperBound <= owner.count)
    self.owner = owner
    count = range.count
    pointer = owner.pointer + range.lowerBound
  }

  deinit { if owner == nil { pointer.deallocate() } }

  public var floats: Floats { Floats(pointer) }

  public var array: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  public func zero() { pointer.update(repeating: 0, count: count) }

  public func copy(from source: Floats, count: Int) {
    precondition(count <= self.count)
    pointer.update(from: source, count: count)
  }
}
