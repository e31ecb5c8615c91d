import Kernels

/// The keys (before rotary embedding) and values of one chunk, one slot a source layer.
public final class MemoryChunk: @unchecked Sendable {
  public let tokens: Int
  /// [slot] of tokens × (kvHeads · headSize), keys then values.
  let keys: [MemoryRows]
  let values: [MemoryRows]

  init(tokens: Int, keys: [MemoryRows], values: [MemoryRows]) {
    self.tokens = tokens
    self.keys = keys
    self.values = values
  }

  /// Rows `range` of keys and values as attention computes them, [slot] of (tokens, kvHeads · headSize).
  init(
    _ range: Range<Int>, of slots: [(keys: FloatBuffer, values: FloatBuffer)], width: Int,
    precision: MemoryConfiguration.Precision
  ) {
    func rows(_ buffer: FloatBuffer) -> MemoryRows {
      MemoryRows(
        buffer.floats + range.lowerBound * width, count: range.count * width, precision: precision)
    }
    tokens = range.count
    keys = slots.map { rows($0.keys) }
    values = slots.map { rows($0.values) }
  }

  /// - Parameter slots: the stored bytes of each source layer's keys and values, as `withBytes` gives
  ///   them; tokens · width numbers of `precision` each.
  public init(
    tokens: Int, slots: [(keys: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer)],
    precision: MemoryConfiguration.Precision
  ) {
    self.tokens = tokens
    keys = slots.map { MemoryRows(stored: $0.keys, precision: precision) }
    values = slots.map { MemoryRows(stored: $0.values, precision: precision) }
  }

  /// The keys and the values of a slot as they are kept, to be stored and given back to `init`.
  public func withBytes(
    slot: Int,
    _ body: (_ keys: UnsafeRawBufferPointer, _ values: UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    try keys[slot].withBytes { keys in try values[slot].withBytes { try body(keys, $0) } }
  }

  /// The float32 keys and values of a slot, tokens × (kvHeads · headSize).
  public func expanded(slot: Int) -> (keys: [Float], values: [Float]) {
    (keys[slot].floats, values[slot].floats)
  }
}

/// Rows of numbers kept at the memory's precision.
enum MemoryRows {
  case f32(FloatBuffer)
  case half([UInt16], isBrain: Bool)

  init(_ source: Floats, count: Int, precision: MemoryConfiguration.Precision) {
    switch precision {
    case .f32:
      let buffer = FloatBuffer(count: count)
      buffer.copy(from: source, count: count)
      self = .f32(buffer)
    case .bf16, .f16:
      let isBrain = precision == .bf16
      let bits = [UInt16](unsafeUninitializedCapacity: count) { target, filled in
        guard let base = target.baseAddress else { return }
        if isBrain {
          convertFloatToBF16(base, source, count: count)
        } else {
          convertFloatToF16(base, source, count: count)
        }
        filled = count
      }
      self = .half(bits, isBrain: isBrain)
    }
  }

  init(stored bytes: UnsafeRawBufferPointer, precision: MemoryConfiguration.Precision) {
    switch precision {
    case .f32:
      let buffer = FloatBuffer(count: bytes.count / 4)
      UnsafeMutableRawBufferPointer(start: buffer.pointer, count: buffer.count * 4)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(buffer.count * 4)))
      self = .f32(buffer)
    case .bf16, .f16:
      let count = bytes.count / 2
      let bits = [UInt16](unsafeUninitializedCapacity: count) { target, filled in
        UnsafeMutableRawBufferPointer(target).copyBytes(from: bytes.prefix(count * 2))
        filled = count
      }
      self = .half(bits, isBrain: precision == .bf16)
    }
  }

  func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    switch self {
    case .f32(let buffer):
      try withExtendedLifetime(buffer) {
        try body(UnsafeRawBufferPointer(start: buffer.pointer, count: buffer.count * 4))
      }
    case .half(let bits, _): try bits.withUnsafeBytes { try body($0) }
    }
  }

  func expand(into target: MutableFloats) {
    switch self {
    case .f32(let buffer): target.update(from: buffer.floats, count: buffer.count)
    case .half(let bits, let isBrain):
      bits.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        if isBrain {
          convertBF16ToFloat(target, base, count: source.count)
        } else {
          convertF16ToFloat(target, base, count: source.count)
        }
      }
    }
  }

  var floats: [Float] {
    switch self {
    case .f32(let buffer): return buffer.array
    case .half(let bits, _):
      let buffer = FloatBuffer(count: bits.count)
      expand(into: buffer.pointer)
      return buffer.array
    }
  }
}

/// Chunks by row, kept only while a later retrieval block of the plan still reads them (DESIGN §1.1).
public struct MemoryBank: Sendable {
  private var chunks: [Int: MemoryChunk] = [:]
  /// Rows to drop once the block that starts at the key has been computed.
  private var expiring: [Int: [Int]] = [:]
  public private(set) var peakChunks = 0

  public init() {}

  /// A chunk with what the bank knows of it.
  public struct Entry: Sendable {
    public var row: Int
    /// The first row of the last block that reads it.
    public var lastUse: Int
    public var chunk: MemoryChunk

    public init(row: Int, lastUse: Int, chunk: MemoryChunk) {
      self.row = row
      self.lastUse = lastUse
      self.chunk = chunk
    }
  }

  /// What the bank holds, by row.
  public var entries: [Entry] {
    expiring.flatMap { lastUse, rows in
      rows.compactMap { row in chunks[row].map { Entry(row: row, lastUse: lastUse, chunk: $0) } }
    }.sorted { $0.row < $1.row }
  }

  /// A bank that goes on where another one stood.
  public init(entries: [Entry], peakChunks: Int = 0) {
    for entry in entries { insert(entry.chunk, row: entry.row, lastUse: entry.lastUse) }
    self.peakChunks = max(self.peakChunks, peakChunks)
  }

  public var count: Int { chunks.count }

  public subscript(row: Int) -> MemoryChunk? { chunks[row] }

  /// Keeps `chunk` until the block that starts at row `lastUse` is done.
  public mutating func insert(_ chunk: MemoryChunk, row: Int, lastUse: Int) {
    chunks[row] = chunk
    expiring[lastUse, default: []].append(row)
    peakChunks = max(peakChunks, chunks.count)
  }

  /// Forgets the chunks whose last reader was the block that starts at `row`.
  public mutating func finish(block row: Int) {
    for expired in expiring.removeValue(forKey: row) ?? [] {
      chunks.removeValue(forKey: expired)
    }
  }
}
