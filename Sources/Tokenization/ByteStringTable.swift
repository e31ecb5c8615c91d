/// A dictionary from byte strings to ids that is asked with pointers: no string is made to look
/// one up. Open addressing, at most half full, FNV-1a hashes.
final class ByteStringTable: @unchecked Sendable {
  private struct Entry {
    var hash: UInt64
    var offset: Int32
    var count: Int32
    var id: Int32
  }

  static let emptyHash: UInt64 = 0xcbf2_9ce4_8422_2325

  /// The longest key, in bytes.
  private(set) var longest = 0
  private var bytes: [UInt8] = []
  private let entries: UnsafeMutablePointer<Entry>
  private let mask: Int

  init(minimumCapacity: Int) {
    var size = 16
    while size < 2 * minimumCapacity { size *= 2 }
    mask = size - 1
    entries = .allocate(capacity: size)
    entries.initialize(repeating: Entry(hash: 0, offset: 0, count: 0, id: -1), count: size)
  }

  deinit { entries.deallocate() }

  @inline(__always)
  static func hash(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
    (hash ^ UInt64(byte)) &* 0x100_0000_01b3
  }

  /// Adds a key; the first of two equal keys stays. Ids are not negative.
  func insert(_ key: UnsafeBufferPointer<UInt8>, id: Int32) {
    let hash = key.reduce(Self.emptyHash, Self.hash)
    let slot = self.slot(key.baseAddress, count: key.count, hash: hash)
    if entries[slot].id >= 0 { return }
    entries[slot] = Entry(
      hash: hash, offset: Int32(bytes.count), count: Int32(key.count), id: id)
    bytes += key
    longest = max(longest, key.count)
  }

  /// The id of a key whose FNV-1a hash is known; negative when there is none.
  @inline(__always)
  func id(_ key: UnsafePointer<UInt8>?, count: Int, hash: UInt64) -> Int32 {
    entries[slot(key, count: count, hash: hash)].id
  }

  func id(_ key: UnsafeBufferPointer<UInt8>) -> Int32 {
    id(key.baseAddress, count: key.count, hash: key.reduce(Self.emptyHash, Self.hash))
  }

  @inline(__always)
  private func slot(_ key: UnsafePointer<UInt8>?, count: Int, hash: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: hash ^ (hash >> 32)) & mask
    while entries[slot].id >= 0 {
      if entries[slot].hash == hash, Int(entries[slot].count) == count,
        isEqual(key, Int(entries[slot].offset), count)
      {
        break
      }
      slot = (slot + 1) & mask
    }
    return slot
  }

  @inline(__always)
  private func isEqual(_ key: UnsafePointer<UInt8>?, _ offset: Int, _ count: Int) -> Bool {
    guard let key else { return count == 0 }
    return bytes.withUnsafeBufferPointer { stored in
      for index in 0..<count where stored[offset + index] != key[index] { return false }
      return true
    }
  }
}
