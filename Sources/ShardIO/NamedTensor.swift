import Glibc
import Safetensors

/// A tensor on its way into a block: row-major little-endian bytes.
public struct NamedTensor: Sendable {
  public let name: String
  public let type: ElementType
  public let shape: [Int]
  public let bytes: [UInt8]

  public init(_ name: String, _ type: ElementType, _ shape: [Int], bytes: [UInt8]) {
    precondition(
      bytes.count == shape.reduce(type.byteWidth, *), "\(name): \(bytes.count) bytes for \(shape)")
    self.name = name
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// From elements of a type as wide as `type`: [Float] for F32, [Int64] for I64, [UInt16] of bit
  /// patterns for F16.
  public init<Element: BitwiseCopyable>(
    _ name: String, _ type: ElementType, _ shape: [Int], _ elements: [Element]
  ) {
    self.init(name, type, shape, bytes: elements.withUnsafeBytes { [UInt8]($0) })
  }
}

/// The memory of one decoded block, shared by its tensors.
final class BlockStorage: @unchecked Sendable {
  private(set) var pointer: UnsafeMutableRawPointer
  private(set) var capacity: Int
  /// How much of it is filled; nothing changes while a block that was handed out is held.
  var count = 0

  init(capacity: Int) {
    self.capacity = max(capacity, 16)
    guard let pointer = malloc(self.capacity) else { fatalError("out of memory") }
    self.pointer = pointer
  }

  deinit { free(pointer) }

  /// False where there is no such memory.
  func grow(to capacity: Int) -> Bool {
    guard let moved = realloc(pointer, capacity) else { return false }
    pointer = moved
    self.capacity = capacity
    return true
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: count) }
}

/// A tensor of a decoded block.
public struct ShardTensor: Sendable {
  public let name: String
  public let type: ElementType
  public let shape: [Int]
  let storage: BlockStorage
  let range: Range<Int>

  public var elementCount: Int { range.count / type.byteWidth }
  public var byteCount: Int { range.count }

  /// The bytes, valid within `body`. Rows are aligned as far as the writer aligned them: load
  /// unaligned, or copy.
  public func withUnsafeBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try withExtendedLifetime(storage) {
      try body(UnsafeRawBufferPointer(rebasing: storage.bytes[range]))
    }
  }

  /// The elements as a type as wide as the tensor's own: [Float] of F32, [UInt16] of F16.
  public func copy<Element: BitwiseCopyable>(
    as element: Element.Type
  ) -> [Element] {
    precondition(MemoryLayout<Element>.size == type.byteWidth, "\(name) is \(type.rawValue)")
    return withUnsafeBytes { source in
      [Element](unsafeUninitializedCapacity: elementCount) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
        count = elementCount
      }
    }
  }
}

/// One decoded block.
public struct ShardBlock: Sendable {
  public let kind: String
  /// The block within its stream, and the stream within the input.
  public let index: Int
  public let stream: Int
  /// Its first row within its stream; `rowBase` counts the rows of the streams before.
  public let firstRow: Int
  public let rowBase: Int
  public let rows: Int
  /// The parameters that stand in the stream's block 0, and its provenance (nil without one).
  public let parameters: [String: String]
  public let provenance: Provenance?
  let path: String?
  let streamInFile: Int
  public let tensors: [String: ShardTensor]

  public subscript(name: String) -> ShardTensor? { tensors[name] }

  /// An error that names this block.
  public func error(_ reason: String) -> ShardError {
    ShardError(reason, block: index, row: firstRow, stream: streamInFile, path: path)
  }
}
