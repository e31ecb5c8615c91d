import Safetensors

/// A safetensors file read through a map.
public struct MappedSafetensors: Sendable {
  public let file: MappedFile
  public let metadata: [String: String]
  /// In data order.
  public let entries: [TensorEntry]
  private let dataOffset: Int
  private let indices: [String: Int]

  public var path: String { file.path }

  /// - Throws: `WeightsError` for a malformed file.
  public init(path: String) throws {
    file = try MappedFile(path: path)
    let header: SafetensorsHeader
    do {
      header = try file.withBytes { try SafetensorsHeader(parsing: $0) }
    } catch {
      throw WeightsError(path, "\(error)")
    }
    metadata = header.metadata
    entries = header.tensors
    dataOffset = header.dataOffset
    indices = Dictionary(
      header.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    if indices.count < entries.count { throw WeightsError(path, "a tensor name occurs twice") }
  }

  public func entry(_ name: String) -> TensorEntry? { indices[name].map { entries[$0] } }

  /// A tensor of floating-point values.
  /// - Throws: when it is missing, or not F32, F16 or BF16.
  public func tensor(_ name: String) throws -> StoredTensor {
    guard let entry = entry(name) else { throw WeightsError(path, "no tensor \(name)") }
    guard let tensor = try expandable(entry) else {
      throw WeightsError(
        path, "tensor \(name) is stored as \(entry.type.rawValue); expected F32, F16 or BF16")
    }
    return tensor
  }

  /// Gives `body` the bytes of a tensor of any type, which stay valid until it returns.
  public func withBytes<R>(
    of entry: TensorEntry, _ body: (UnsafeRawBufferPointer) throws -> R
  ) throws -> R {
    try withExtendedLifetime(file) { try body(bytes(entry)) }
  }

  /// The same for a caller that keeps this value alive while it reads, as a stored property does.
  public func bytes(_ entry: TensorEntry) throws -> UnsafeRawBufferPointer {
    let (lower, underflow) = entry.range.lowerBound.addingReportingOverflow(dataOffset)
    let (upper, overflow) = entry.range.upperBound.addingReportingOverflow(dataOffset)
    guard !underflow, !overflow, lower >= 0, upper <= file.bytes.count else {
      throw WeightsError(path, "tensor \(entry.name) lies outside the file")
    }
    return UnsafeRawBufferPointer(rebasing: file.bytes[lower..<upper])
  }

  /// The tensor, or nil when its type is none of ours (position ids, say).
  func expandable(_ entry: TensorEntry) throws -> StoredTensor? {
    guard let storage = StorageType(entry.type) else { return nil }
    let data = try bytes(entry)
    let expected = storedByteCount(
      entry.shape, blockSize: 1, bytesPerBlock: storage.bytesPerBlock)
    guard expected == data.count else {
      throw WeightsError(
        path, "tensor \(entry.name): \(data.count) bytes for shape \(entry.shape)")
    }
    return StoredTensor(
      name: entry.name, shape: entry.shape, storage: storage, bytes: data, owner: file)
  }
}
