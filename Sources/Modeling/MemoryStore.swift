import Synchronization

/// A place where bytes lie as long as something refers to it.
public protocol MemoryPlace: AnyObject, Sendable {
  var bytes: UnsafeRawBufferPointer { get }
  /// Says that the bytes are read in a while, so that they are there by then.
  func expectReading()
  /// Says that the bytes are not read for a while.
  func expectRest()
}

/// Where bytes go that RAM has no room for.
public protocol MemoryOverflow: AnyObject, Sendable {
  /// Keeps a copy of `bytes`.
  ///
  /// - Throws: where there is no room for them.
  func place(for bytes: UnsafeRawBufferPointer) throws -> any MemoryPlace
}

/// Keeps the keys and values of memory: in RAM up to a limit, beyond it where an overflow has room.
///
/// A place is free again when nothing refers to it any more, so what a plan reads no longer makes room
/// for what it reads next. What is kept and read is the same bytes wherever they lie.
public final class MemoryStore: @unchecked Sendable {
  private let limit: Int
  private let overflow: (any MemoryOverflow)?
  private let inRAM = Mutex(0)

  /// - Parameters:
  ///   - limit: bytes in RAM; without an overflow there is none.
  public init(limit: Int = .max, overflow: (any MemoryOverflow)? = nil) {
    self.limit = overflow == nil ? .max : limit
    self.overflow = overflow
  }

  /// Bytes that are kept in RAM now.
  public var bytesInRAM: Int { inRAM.withLock { $0 } }

  /// A place of `count` bytes as `fill` leaves them.
  func place(
    _ count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws -> any MemoryPlace {
    if take(count) {
      return HeapPlace(count, fill: fill) { [self] in inRAM.withLock { $0 -= count } }
    }
    let filled = HeapPlace(count, fill: fill)
    return try withExtendedLifetime(filled) { try overflow?.place(for: filled.bytes) ?? filled }
  }

  private func take(_ count: Int) -> Bool {
    inRAM.withLock { used in
      guard count <= limit - used else { return false }
      used += count
      return true
    }
  }
}

/// A place in RAM.
final class HeapPlace: MemoryPlace, @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  private let onRelease: (@Sendable () -> Void)?

  init(
    _ count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void,
    onRelease: (@Sendable () -> Void)? = nil
  ) {
    // Aligned no more than any: what was freed then takes the next of its size, where a wider alignment
    // asks for more room than it left and the heap grows with the text.
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    fill(target)
    bytes = UnsafeRawBufferPointer(target)
    self.onRelease = onRelease
  }

  deinit {
    bytes.deallocate()
    onRelease?()
  }

  func expectReading() {}

  func expectRest() {}
}
