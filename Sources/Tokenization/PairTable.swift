/// The merges of a byte-pair vocabulary: (left id, right id) → (rank, merged id).
///
/// An open-addressing hash table of UInt64 keys with linear probing, at most half full.
final class PairTable: @unchecked Sendable {
  /// A value that no merge has: `rank(_:)` of it is above every rank.
  static let none = UInt64.max

  private let entries: UnsafeMutablePointer<(key: UInt64, value: UInt64)>
  private let shift: UInt64
  private let mask: Int

  init(minimumCapacity: Int) {
    var bits = 4
    while 1 << bits < 2 * minimumCapacity { bits += 1 }
    shift = UInt64(64 - bits)
    mask = 1 << bits - 1
    entries = .allocate(capacity: 1 << bits)
    entries.initialize(repeating: (UInt64.max, Self.none), count: 1 << bits)
  }

  deinit { entries.deallocate() }

  /// Adds a merge; the first of two equal pairs stays. Ids are not negative.
  func insert(left: Int32, right: Int32, rank: Int, merged: Int32) {
    let key = Self.key(left, right)
    var slot = self.slot(key)
    while entries[slot].key != UInt64.max {
      if entries[slot].key == key { return }
      slot = (slot + 1) & mask
    }
    entries[slot] = (key, UInt64(rank) << 32 | UInt64(UInt32(merged)))
  }

  /// rank << 32 | merged id, or `none`: values compare as ranks do.
  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = Self.key(left, right)
    var slot = self.slot(key)
    while true {
      let entry = entries[slot]
      if entry.key == key { return entry.value }
      if entry.key == UInt64.max { return Self.none }
      slot = (slot + 1) & mask
    }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> shift)
  }
}
