import Glibc

/// Copies a pipe to a file that has no name any more but can be opened again.
///
/// - Returns: the path to open it by, in this process.
public func spool(_ source: InputFile) throws -> String {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var template = Array("\(folder)/memlong.XXXXXX".utf8CString)
  let descriptor = mkstemp(&template)
  guard descriptor >= 0 else { throw ToolError.system(folder) }
  unlink(template)
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
  defer { buffer.deallocate() }
  while case let count = try source.read(into: buffer), count > 0 {
    var written = 0
    while written < count {
      let more = write(descriptor, buffer.baseAddress! + written, count - written)
      if more < 0 && errno == EINTR { continue }
      guard more > 0 else { throw ToolError.system(folder) }
      written += more
    }
  }
  return "/proc/self/fd/\(descriptor)"
}
