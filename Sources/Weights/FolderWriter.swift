import FilePaths
import Glibc
import Safetensors

/// A tensor to be written whose bytes lie in several places, so that no copy of it is made.
public struct TensorParts {
  public var name: String
  public var type: ElementType
  public var shape: [Int]
  /// Hands on the bytes (row-major, little-endian), piece by piece in their order.
  public var pieces: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

  public init(
    name: String, type: ElementType, shape: [Int],
    pieces: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) {
    self.name = name
    self.type = type
    self.shape = shape
    self.pieces = pieces
  }

  /// A tensor of elements in an array.
  public init<Element: BitwiseCopyable>(
    name: String, type: ElementType, shape: [Int], _ elements: [Element]
  ) {
    self.init(name: name, type: type, shape: shape) { take in
      try elements.withUnsafeBytes { try take($0) }
    }
  }

  var byteCount: Int { shape.reduce(type.byteWidth, *) }
}

/// A folder that appears complete or not at all: files are written and synced in a temporary folder
/// beside it, which `commit` renames.
///
/// A killed writer leaves its temporary, `.NAME.PID.N.tmp`; `removeTemporaries` clears them away.
public final class FolderWriter {
  private let path: String
  private let temporary: String
  private var isOpen = true

  /// - Throws: `WeightsError` when the temporary cannot be made.
  public init(_ path: String) throws {
    self.path = path
    temporary = try makeTemporaryFolder(beside: path)
  }

  deinit { discard() }

  public func write(_ content: [UInt8], to name: String) throws {
    try writeSynced(content, to: temporary + "/" + name)
  }

  /// Writes a safetensors file as its tensors hand their bytes on.
  ///
  /// - Returns: the file's XXH64, 16 hexadecimal digits.
  public func write(
    _ tensors: [TensorParts], metadata: [String: String] = [:], to name: String
  ) throws -> String {
    let file = temporary + "/" + name
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw WeightsError(path, lastSystemError()) }
    defer { close(descriptor) }
    let header = SafetensorsHeader.encode(
      metadata: metadata, tensors: tensors.map { ($0.name, $0.type, $0.shape) })
    try header.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    for tensor in tensors {
      var count = 0
      try tensor.pieces { bytes in
        count += bytes.count
        try writeAll(bytes, to: descriptor, path)
      }
      precondition(count == tensor.byteCount, "\(tensor.name): \(count) bytes for \(tensor.shape)")
    }
    guard fsync(descriptor) == 0 else { throw WeightsError(path, lastSystemError()) }
    return try fileDigest(file)
  }

  /// Gives the folder its name; one that is already there is replaced.
  public func commit() throws {
    try syncTree(temporary)
    if rename(temporary, path) != 0 {
      guard errno == ENOTEMPTY || errno == EEXIST else {
        throw WeightsError(path, lastSystemError())
      }
      if exchange(temporary, path) {
        removeTree(temporary)
      } else {
        try removeFolder(path)
        guard rename(temporary, path) == 0 else { throw WeightsError(path, lastSystemError()) }
      }
    }
    isOpen = false
    try syncFolder(parent(of: path))
  }

  /// Drops a folder that is not committed.
  public func discard() {
    if isOpen { removeTree(temporary) }
    isOpen = false
  }
}

/// XXH64 of a file's bytes, 16 hexadecimal digits.
public func fileDigest(_ path: String) throws -> String {
  try MappedFile(path: path).withBytes { hexadecimal(contentHash($0)) }
}

/// Removes a folder with all that is in it, in one step for whoever looks: it loses its name first.
public func removeFolder(_ path: String) throws {
  let grave = try makeTemporaryFolder(beside: path)
  guard rename(path, grave) == 0 else {
    let error = WeightsError(path, lastSystemError())
    rmdir(grave)
    throw error
  }
  removeTree(grave)
}

/// Removes what killed writers of `name` left in `folder`: `.name.PID.N.tmp`, files and folders.
///
/// To be called when no other process writes there.
public func removeTemporaries(of name: String, in folder: String) {
  for entry in contents(of: folder) {
    guard entry.hasPrefix("." + name + "."), entry.hasSuffix(".tmp") else { continue }
    let middle = entry.dropFirst(name.count + 2).dropLast(4).split(separator: ".")
    guard middle.count == 2, middle.allSatisfy({ Int($0) != nil }) else { continue }
    let path = folder + "/" + entry
    if unlink(path) != 0 { removeTree(path) }
  }
}

/// The names in a folder, sorted; none when it cannot be read.
public func folderContents(_ folder: String) -> [String] { contents(of: folder).sorted() }

/// Makes a folder unless it is there, its name on the disk.
public func makeFolder(_ path: String) throws {
  if mkdir(path, 0o777) == 0 { return try syncFolder(parent(of: path)) }
  guard errno == EEXIST else { throw WeightsError(path, lastSystemError()) }
  guard isFolder(path) else { throw WeightsError(path, "exists and is not a folder") }
}
