/// A GGUF file, version 2 or 3 (little-endian): metadata and a table of tensors over the mapped bytes.
///
/// The file's own vocabulary: names and shapes are translated in `ModelFiles`. Format:
/// <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
public struct GGUFFile: Sendable {
  /// One row of the tensor table.
  public struct Tensor: Sendable {
    public let name: String
    /// Row-major: the file's dimensions reversed, so a projection is [out, in].
    public let shape: [Int]
    public let type: GGUFTensorType
    /// The tensor's bytes in the file; empty for an unknown type, whose size nobody can tell.
    public let range: Range<Int>
  }

  public let file: MappedFile
  public let version: Int
  public let metadata: [String: GGUFValue]
  /// In the file's order.
  public let tensors: [Tensor]
  private let indices: [String: Int]

  public var path: String { file.path }

  /// - Throws: `WeightsError` for anything the specification does not allow; nothing is read beyond
  ///   the file, and no memory is taken for a count the file cannot hold.
  public init(path: String) throws {
    try self.init(file: MappedFile(path: path))
  }

  private init(file: MappedFile) throws {
    // The cursor keeps the file alive.
    var cursor = GGUFCursor(file)
    self.file = file
    version = try Self.readVersion(&cursor)
    // 24 and 13 bytes: the least a table row and a key-value pair take.
    let tensorCount = try cursor.readCount(minimumSize: 24, "tensor count")
    let keyCount = try cursor.readCount(minimumSize: 13, "metadata count")
    metadata = try Self.readMetadata(&cursor, count: keyCount)
    let table = try Self.readTable(&cursor, count: tensorCount)
    tensors = try Self.place(table, after: cursor, alignment: Self.alignment(metadata, file.path))
    var indices: [String: Int] = [:]
    for (index, tensor) in tensors.enumerated()
    where indices.updateValue(index, forKey: tensor.name) != nil {
      throw WeightsError(file.path, "tensor \(tensor.name) occurs twice")
    }
    self.indices = indices
  }

  /// The table row of a tensor, by the file's name for it.
  public func entry(_ name: String) -> Tensor? { indices[name].map { tensors[$0] } }

  /// A tensor by the file's name for it, rows in the file's order.
  /// - Throws: when it is missing or of a type that cannot be expanded.
  public func tensor(_ name: String) throws -> StoredTensor {
    guard let entry = entry(name) else { throw WeightsError(path, "no tensor \(name)") }
    return try stored(entry, as: name, order: .sequential)
  }

  func stored(_ entry: Tensor, as name: String, order: RowOrder) throws -> StoredTensor {
    guard let storage = entry.type.storage else {
      throw WeightsError(
        path, "tensor \(entry.name) is stored as \(entry.type); supported are \(supportedStorage)")
    }
    return StoredTensor(
      name: name, shape: entry.shape, storage: storage, order: order,
      bytes: UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]), owner: file)
  }
}

/// `F32, F16, …` for messages.
let supportedStorage = StorageType.allCases.map(\.rawValue).joined(separator: ", ")

// MARK: - Parsing

extension GGUFFile {
  private struct Row {
    let name: String
    let shape: [Int]
    let type: GGUFTensorType
    let offset: UInt64
  }

  private static func readVersion(_ cursor: inout GGUFCursor) throws -> Int {
    guard cursor.remaining >= 4, try cursor.read(UInt32.self, "magic") == 0x4655_4747 else {
      throw WeightsError(cursor.path, "not a GGUF file")
    }
    let version = try cursor.read(UInt32.self, "version")
    guard version == 2 || version == 3 else {
      let bigEndian = version.byteSwapped == 2 || version.byteSwapped == 3
      throw WeightsError(
        cursor.path,
        bigEndian
          ? "big-endian GGUF is not supported"
          : "GGUF version \(version) is not supported (2 and 3 are)")
    }
    return Int(version)
  }

  private static func readMetadata(_ cursor: inout GGUFCursor, count: Int) throws
    -> [String: GGUFValue]
  {
    var metadata: [String: GGUFValue] = [:]
    for index in 0..<count {
      let key = try cursor.readString("metadata key \(index)")
      let value = try cursor.readValue(key)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw WeightsError(cursor.path, "metadata key \(key) occurs twice")
      }
    }
    return metadata
  }

  private static func alignment(_ metadata: [String: GGUFValue], _ path: String) throws -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard let alignment = value.intValue, (1...1 << 20).contains(alignment),
      alignment.nonzeroBitCount == 1
    else { throw WeightsError(path, "general.alignment is not a power of two up to 2^20") }
    return alignment
  }

  private static func readTable(_ cursor: inout GGUFCursor, count: Int) throws -> [Row] {
    var rows: [Row] = []
    rows.reserveCapacity(count)
    for index in 0..<count {
      let name = try cursor.readString("name of tensor \(index)")
      let dimensionCount = try cursor.read(UInt32.self, "dimensions of \(name)")
      guard (1...4).contains(dimensionCount) else {
        throw WeightsError(cursor.path, "tensor \(name) has \(dimensionCount) dimensions")
      }
      var shape: [Int] = []
      for _ in 0..<dimensionCount {
        let stored = try cursor.read(UInt64.self, "dimensions of \(name)")
        guard let dimension = Int(exactly: stored), dimension > 0 else {
          throw WeightsError(cursor.path, "tensor \(name) has a dimension of \(stored)")
        }
        shape.append(dimension)
      }
      let type = GGUFTensorType(code: try cursor.read(UInt32.self, "type of \(name)"))
      let offset = try cursor.read(UInt64.self, "offset of \(name)")
      rows.append(Row(name: name, shape: shape.reversed(), type: type, offset: offset))
    }
    return rows
  }

  /// Turns offsets into ranges of the file; refuses those that leave it or overlap.
  private static func place(_ rows: [Row], after cursor: GGUFCursor, alignment: Int) throws
    -> [Tensor]
  {
    let path = cursor.path
    let start = (cursor.position + alignment - 1) / alignment * alignment
    let available = max(0, cursor.size - start)
    let tensors = try rows.map { row in
      guard let offset = Int(exactly: row.offset), offset % alignment == 0, offset <= available
      else {
        throw WeightsError(
          path, "tensor \(row.name): offset \(row.offset) is outside the file or not aligned")
      }
      var size = 0
      if let block = row.type.block {
        guard
          let bytes = storedByteCount(
            row.shape, blockSize: block.elements, bytesPerBlock: block.bytes)
        else {
          throw WeightsError(path, "tensor \(row.name): shape \(row.shape) is not \(row.type)'s")
        }
        size = bytes
      }
      guard size <= available - offset else {
        throw WeightsError(
          path, "tensor \(row.name) takes \(size) bytes at \(offset) of \(available): truncated")
      }
      return Tensor(
        name: row.name, shape: row.shape, type: row.type,
        range: start + offset..<start + offset + size)
    }
    let inOrder = tensors.filter { !$0.range.isEmpty }
      .sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (earlier, later) in zip(inOrder, inOrder.dropFirst())
    where later.range.lowerBound < earlier.range.upperBound {
      throw WeightsError(path, "tensors \(earlier.name) and \(later.name) overlap")
    }
    return tensors
  }
}
