import FilePaths
import Glibc

/// Whether a path names something that can be read.
public func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

/// A whole file, or standard input for `-`.
///
/// - Parameter limit: bytes from which on it is refused.
/// - Throws: `ToolError` naming it.
public func readFile(_ path: String, limit: Int) throws -> [UInt8] {
  let file = try InputFile(path, isBinary: false)
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while case let count = try buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
    bytes += buffer[..<count]
    guard bytes.count < limit else {
      throw ToolError("\(path): more than \(limit >> 20) MiB")
    }
  }
  return bytes
}
