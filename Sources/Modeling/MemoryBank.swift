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

  public mutating func removeAll() {
    chunks.removeAll()
    expiring.removeAll()
  }
}
