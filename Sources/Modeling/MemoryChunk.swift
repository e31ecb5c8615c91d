import Kernels

/// The keys (before rotary embedding) and values of one chunk, one slot a source layer.
///
/// All lie in one place, slot after slot, keys before values.
public final class MemoryChunk: Sendable {
  public let tokens: Int
  private let place: any MemoryPlace
  private let precision: MemoryConfiguration.Precision
  /// Bytes of a slot's keys, and of its values.
  private let partBytes: Int
  /// Where in `place` each slot is, counted in slots.
  private let slots: [Int]

  private init(
    tokens: Int, place: any MemoryPlace, precision: MemoryConfiguration.Precision, partBytes: Int,
    slots: [Int]
  ) {
    self.tokens = tokens
    self.place = place
    self.precision = precision
    self.partBytes = partBytes
    self.slots = slots
  }

  /// In RAM.
  convenience init(_ contents: ChunkContents) {
    self.init(contents, place: HeapPlace(contents.byteCount, fill: contents.fill))
  }

  /// - Throws: where `store` has no room; one without an overflow always has.
  convenience init(_ contents: ChunkContents, in store: MemoryStore) throws {
    self.init(contents, place: try store.place(contents.byteCount, fill: contents.fill))
  }

  private convenience init(_ contents: ChunkContents, place: any MemoryPlace) {
    self.init(
      tokens: contents.tokens, place: place, precision: contents.precision,
      partBytes: contents.partBytes, slots: Array(0..<contents.slotCount))
  }

  /// A chunk in RAM.
  ///
  /// - Parameter slots: the stored bytes of each source layer's keys and values, as `withBytes` gives
  ///   them; tokens · width numbers of `precision` each.
  public convenience init(
    tokens: Int, slots: [(keys: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer)],
    precision: MemoryConfiguration.Precision
  ) {
    self.init(ChunkContents(tokens: tokens, stored: slots, precision: precision))
  }

  /// The same in `store`.
  ///
  /// - Throws: where it has no room.
  public convenience init(
    tokens: Int, slots: [(keys: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer)],
    precision: MemoryConfiguration.Precision, in store: MemoryStore
  ) throws {
    try self.init(
      ChunkContents(tokens: tokens, stored: slots, precision: precision), in: store)
  }

  /// The same place without the slots that are not named.
  func only(_ slots: [Int]) -> MemoryChunk {
    MemoryChunk(
      tokens: tokens, place: place, precision: precision, partBytes: partBytes,
      slots: slots.map { self.slots[$0] })
  }

  /// The keys and the values of a slot as they are kept, to be stored and given back to `init`.
  public func withBytes(
    slot: Int,
    _ body: (_ keys: UnsafeRawBufferPointer, _ values: UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    try withExtendedLifetime(place) {
      let start = 2 * slots[slot] * partBytes
      let both = place.bytes[start..<start + 2 * partBytes]
      try body(
        UnsafeRawBufferPointer(rebasing: both.prefix(partBytes)),
        UnsafeRawBufferPointer(rebasing: both.suffix(partBytes)))
    }
  }

  /// Writes the float32 keys and values of a slot, tokens × (kvHeads · headSize) each.
  func expand(slot: Int, keys: MutableFloats, values: MutableFloats) {
    withBytes(slot: slot) {
      precision.expand($0, into: keys)
      precision.expand($1, into: values)
    }
  }

  /// The float32 keys and values of a slot, tokens × (kvHeads · headSize).
  public func expanded(slot: Int) -> (keys: [Float], values: [Float]) {
    let count = partBytes / precision.byteWidth
    let (keys, values) = (FloatBuffer(count: count), FloatBuffer(count: count))
    expand(slot: slot, keys: keys.pointer, values: values.pointer)
    return (keys.array, values.array)
  }

  /// Says that a forward pass in a while reads it.
  func expectReading() { place.expectReading() }

  /// Says that no forward pass reads it for a while.
  func expectRest() { place.expectRest() }
}

/// What a chunk is to hold, and how that is written to its place.
struct ChunkContents {
  let tokens: Int
  let precision: MemoryConfiguration.Precision
  let slotCount: Int
  let partBytes: Int
  let fill: (UnsafeMutableRawBufferPointer) -> Void

  var byteCount: Int { 2 * slotCount * partBytes }

  /// Rows `range` of keys and values as attention computes them, [slot] of (tokens, kvHeads · headSize).
  init(
    _ range: Range<Int>, of slots: [(keys: FloatBuffer, values: FloatBuffer)], width: Int,
    precision: MemoryConfiguration.Precision
  ) {
    let (first, count) = (range.lowerBound * width, range.count * width)
    let partBytes = count * precision.byteWidth
    tokens = range.count
    self.precision = precision
    slotCount = slots.count
    self.partBytes = partBytes
    fill = { target in
      guard var part = target.baseAddress else { return }
      for buffer in slots.flatMap({ [$0.keys, $0.values] }) {
        precision.store(buffer.floats + first, count: count, to: part)
        part += partBytes
      }
    }
  }

  /// Numbers that are as they are to be kept.
  init(
    tokens: Int, stored slots: [(keys: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer)],
    precision: MemoryConfiguration.Precision
  ) {
    let partBytes = slots.first?.keys.count ?? 0
    precondition(slots.allSatisfy { $0.keys.count == partBytes && $0.values.count == partBytes })
    self.tokens = tokens
    self.precision = precision
    slotCount = slots.count
    self.partBytes = partBytes
    fill = { target in
      for (index, part) in slots.flatMap({ [$0.keys, $0.values] }).enumerated() {
        let start = index * partBytes
        UnsafeMutableRawBufferPointer(rebasing: target[start..<start + partBytes])
          .copyMemory(from: part)
      }
    }
  }
}
