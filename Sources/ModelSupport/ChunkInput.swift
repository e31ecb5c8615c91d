import Glibc
import Records
import ShardIO
import ToolSupport

/// A chunk shard that is read more than once: first to take its census, then by every lane.
///
/// Standard input is copied to an unlinked temporary file first.
public struct ChunkInput {
  private let paths: [String]
  public let census: ChunkCensus

  public init(_ inputs: [String]) throws {
    let isPipe = inputs.isEmpty || inputs == ["-"]
    guard isPipe || !inputs.contains("-") else {
      throw ToolError.usage("- (standard input) cannot stand beside other inputs")
    }
    paths = isPipe ? [try spool(try InputFile(nil))] : inputs
    census = try ChunkCensus(try Self.open(paths))
    guard census.tokens > 0 else { throw ToolError("\(paths[0]): no chunks") }
  }

  /// A reader from the first row on.
  public func open() throws -> ChunkReader { try Self.open(paths) }

  private static func open(_ paths: [String]) throws -> ChunkReader {
    try ChunkReader(sources: try InputFile.all(paths))
  }
}

/// Copies a pipe to a file that has no name any more but can be opened again.
private func spool(_ source: InputFile) throws -> String {
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
