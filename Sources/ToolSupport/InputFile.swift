import FilePaths
import Glibc
import ShardIO

/// A file or standard input, read as it is. Messages name it.
public final class InputFile: ByteSource {
  private let path: String?
  private let shownName: String?
  private var descriptor: Int32 = -1
  private var isAtEnd = false

  /// Whether it could be opened and read a second time: no pipe, no terminal.
  public private(set) var isRepeatable = false

  /// - Parameters:
  ///   - path: nil or `-` is standard input
  ///   - isBinary: refuses a terminal
  ///   - shownName: what messages call it, where that is not the path
  /// - Throws: `ToolError` where the file cannot be read
  public init(_ path: String? = nil, isBinary: Bool = true, shownName: String? = nil) throws {
    self.path = path == "-" ? nil : path
    self.shownName = shownName
    if let path = self.path {
      // opened when it is first read, since many inputs may be named; but missing ones show now
      guard access(path, R_OK) == 0 else { throw ToolError.system(path) }
      var status = stat()
      guard stat(path, &status) == 0 else { throw ToolError.system(path) }
      guard status.st_mode & S_IFMT != S_IFDIR else {
        errno = EISDIR
        throw ToolError.system(path)
      }
      isRepeatable = status.st_mode & S_IFMT == S_IFREG
    } else if isBinary && isatty(STDIN_FILENO) == 1 {
      throw ToolError.usage("standard input is a terminal: name an INPUT, or use a pipe")
    }
  }

  deinit {
    if descriptor > STDIN_FILENO { close(descriptor) }
  }

  /// The inputs of a command line; none is standard input.
  public static func all(_ paths: [String], isBinary: Bool = true) throws -> [InputFile] {
    if paths.isEmpty { return [try InputFile(nil, isBinary: isBinary)] }
    return try paths.map { try InputFile($0, isBinary: isBinary) }
  }

  public var name: String? { shownName ?? path ?? "standard input" }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    if isAtEnd || buffer.isEmpty { return 0 }
    if descriptor < 0 { try open() }
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw ToolError.system(name ?? "") }
      if count == 0 { finish() }
      return count
    }
  }

  private func open() throws {
    guard let path else {
      descriptor = STDIN_FILENO
      return
    }
    descriptor = FilePaths.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ToolError.system(path) }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
  }

  private func finish() {
    isAtEnd = true
    if descriptor > STDIN_FILENO { close(descriptor) }
    descriptor = -1
  }
}

extension InputFile {
  /// A text input: `.zst` and `.gz` are recognised by their first bytes and decompressed.
  public static func openText(_ path: String? = nil) throws -> any ByteSource {
    let file = try InputFile(path, isBinary: false)
    let head = try PushBackSource(file, peeking: 4)
    let bytes = head.peeked
    if bytes.starts(with: [0x1f, 0x8b]) { return GzipSource(head) }
    // a frame, or a skippable frame before the first one
    let isSkippable = bytes.count == 4 && bytes[0] & 0xf0 == 0x50
    if bytes == [0x28, 0xb5, 0x2f, 0xfd] || isSkippable && bytes[1...] == [0x2a, 0x4d, 0x18] {
      return ZstandardSource(head)
    }
    return head
  }
}

/// A source whose first bytes were looked at.
final class PushBackSource: ByteSource {
  private let source: any ByteSource
  private(set) var peeked: [UInt8] = []
  private var position = 0

  init(_ source: any ByteSource, peeking count: Int) throws {
    self.source = source
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let read = try bytes.withUnsafeMutableBytes {
        try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
      }
      if read == 0 { break }
      filled += read
    }
    peeked = Array(bytes[..<filled])
  }

  var name: String? { source.name }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard position < peeked.count else { return try source.read(into: buffer) }
    let count = min(buffer.count, peeked.count - position)
    buffer.copyBytes(from: peeked[position..<position + count])
    position += count
    return count
  }
}
