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
    let isLarge = bytes >= Self.largePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.largePage : 64)
    pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    // advice only: where it is not taken, nothing changes
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
  }

  private static let largePage = 2 << 20

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

/// Hands out parts of large blocks: a matrix of a few megabytes alone would lie mostly outside of large
/// pages. A block is freed with the last of its parts.
final class FloatArena {
  private var block = FloatBuffer(unfilled: 0)
  private var used = 0

  /// Memory that the caller fills.
  func buffer(_ count: Int) -> FloatBuffer {
    if used + count > block.count {
      block = FloatBuffer(unfilled: max(count, Self.blockCount))
      used = 0
    }
    defer { used += (count + 15) / 16 * 16 }
    return FloatBuffer(used..<used + count, of: block)
  }

  /// 64 MB, of which pages that no part touches cost nothing.
  private static let blockCount = 16 << 20
}
