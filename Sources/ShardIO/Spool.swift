import Glibc

/// An anonymous temporary file: written once, then copied out. It has no name from the moment it
/// is open, so no way of ending leaves it behind.
final class Spool {
  private let descriptor: Int32

  init() throws {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    var template = Array("\(folder.isEmpty ? "/tmp" : folder)/memlong.XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Spool.failure("cannot make a temporary file") }
    unlink(template)
  }

  deinit { close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Spool.failure("cannot write a temporary file") }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  func copy(to sink: any ByteSink) throws {
    guard lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw Spool.failure("cannot read a temporary file")
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw Spool.failure("cannot read a temporary file") }
      if count == 0 { return }
      try sink.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private static func failure(_ what: String) -> ShardError {
    ShardError("\(what): \(String(cString: strerror(errno)))")
  }
}
