/// Where the bytes of a shard come from.
public protocol ByteSource: AnyObject {
  /// What messages call it: a path, or nil where it has no name.
  var name: String? { get }
  /// Fills the front of `buffer` and returns how many bytes; 0 only at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

extension ByteSource {
  public var name: String? { nil }
}

/// Where the bytes of a shard go.
public protocol ByteSink: AnyObject {
  /// Takes all of `bytes`, or throws.
  func write(_ bytes: UnsafeRawBufferPointer) throws
}

/// Bytes in memory as a source.
public final class MemorySource: ByteSource {
  public let name: String?
  private let bytes: [UInt8]
  private var position = 0
  private let step: Int

  /// - Parameter step: the most bytes that one read returns, as a pipe would.
  public init(_ bytes: [UInt8], name: String? = nil, step: Int = .max) {
    self.bytes = bytes
    self.name = name
    self.step = step
  }

  public func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, bytes.count - position, step)
    bytes.withUnsafeBytes {
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
    }
    position += count
    return count
  }
}

/// Bytes in memory as a sink.
public final class MemorySink: ByteSink {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
}
