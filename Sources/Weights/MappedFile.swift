import FilePaths
import Glibc

/// A whole file mapped read-only. Pages are read when touched and shared with every other process
/// that maps the same model.
///
/// A file that another process shortens while it is mapped kills this one with SIGBUS, as with every mmap reader:
/// replace model files by rename, never in place.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  /// The file's bytes; empty (no base address) for an empty file. Only for code that keeps the object
  /// alive while it reads: the compiler may release it after its last mention.
  let bytes: UnsafeRawBufferPointer

  /// - Throws: `WeightsError` when the file is missing, unreadable or not a regular file.
  public init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw WeightsError(path, lastSystemError()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw WeightsError(path, lastSystemError()) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw WeightsError(path, "not a regular file")
    }
    let size = Int(status.st_size)
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
    else { throw WeightsError(path, "cannot map \(size) bytes: \(lastSystemError())") }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  public var count: Int { bytes.count }

  /// Gives `body` the file's bytes, which stay valid until it returns.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(bytes) }
  }

  deinit {
    if let base = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
  }
}

/// The text of `errno` as the C library words it.
func lastSystemError() -> String {
  String(cString: strerror(errno))
}

/// The last component of a path: `b` for `a/b` and `a/b/`.
func baseName(_ path: String) -> String {
  path.split(separator: "/").last.map(String.init) ?? path
}
