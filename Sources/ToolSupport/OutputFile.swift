import FilePaths
import Glibc
import ShardIO

/// Standard output, or a file that appears complete or not at all: the bytes go to a temporary
/// beside it, which `commit` renames. Without `commit` nothing is left; what killed tools left of the
/// same output goes when it is written anew.
public final class OutputFile: ByteSink {
  private let path: String?
  private var descriptor: Int32
  private var temporary: (path: String, slot: Int)?
  private var buffer: [UInt8] = []
  private static let bufferSize = 1 << 16

  /// - Parameters:
  ///   - path: nil or `-` is standard output
  ///   - isBinary: refuses a terminal
  public init(_ path: String?, isBinary: Bool = true) throws {
    guard let path, path != "-" else {
      self.path = nil
      descriptor = STDOUT_FILENO
      if isBinary && isatty(STDOUT_FILENO) == 1 {
        throw ToolError.usage("standard output is a terminal: use -o FILE, or a pipe")
      }
      return
    }
    var status = stat()
    let exists = stat(path, &status) == 0
    guard exists || errno != ELOOP else { throw ToolError.system(path) }
    if exists && status.st_mode & S_IFMT == S_IFDIR {
      errno = EISDIR
      throw ToolError.system(path)
    }
    // a device or a named pipe cannot be replaced; it is written to
    if exists && status.st_mode & S_IFMT != S_IFREG {
      self.path = path
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw ToolError.system(path) }
      return
    }
    // a link stays a link: what it points to is replaced, or made
    let target = resolved(path)
    self.path = target
    (descriptor, temporary) = try OutputFile.makeTemporary(beside: target, named: path)
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
  }

  /// Whether two outputs are one, however their paths are spelt; nil and `-` are standard output.
  public static func isSame(_ one: String?, _ other: String?) -> Bool {
    place(of: one ?? "-") == place(of: other ?? "-")
  }

  /// A path, links followed as far as they lead somewhere.
  static func place(of path: String) -> String {
    if path == "-" { return path }
    var status = stat()
    if stat(path, &status) == 0 { return resolved(path) }
    let (folder, file) = split(resolved(path))
    return "\(resolved(folder))/\(file)"
  }

  deinit { discard() }

  private var displayName: String { path ?? "standard output" }

  private static func makeTemporary(
    beside path: String, named name: String
  ) throws -> (Int32, (path: String, slot: Int)) {
    let (folder, file) = split(path)
    Leftovers.remove(of: file, in: folder)
    for attempt in 0..<100 {
      let candidate = "\(folder)/\(Leftovers.temporary(of: file, attempt: attempt))"
      let slot = try Temporaries.add(candidate)
      let descriptor = open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0, Leftovers.hold(descriptor) { return (descriptor, (candidate, slot)) }
      Temporaries.forget(slot)
      if descriptor >= 0 {
        close(descriptor)
      } else if errno != EEXIST {
        throw ToolError.system(name)
      }
    }
    throw ToolError.system(name)
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if bytes.count + buffer.count <= OutputFile.bufferSize {
      buffer.append(contentsOf: bytes)
    } else {
      try flush()
      try writeDirectly(bytes)
    }
  }

  public func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }

  /// Hands on what is buffered.
  public func flush() throws {
    if buffer.isEmpty { return }
    let pending = buffer
    buffer.removeAll(keepingCapacity: true)
    try pending.withUnsafeBytes { try writeDirectly($0) }
  }

  private func writeDirectly(_ bytes: UnsafeRawBufferPointer) throws {
    precondition(descriptor >= 0, "written after its end")
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw ToolError.system(displayName) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Makes the output complete: the last write, its success on the disk, the name.
  public func commit() throws {
    precondition(descriptor >= 0, "committed twice")
    try flush()
    guard let temporary, let path else {
      let closed = close(descriptor)
      descriptor = -1
      guard closed == 0 else { throw ToolError.system(displayName) }
      return
    }
    guard fsync(descriptor) == 0 else { throw ToolError.system(path) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, rename(temporary.path, path) == 0 else { throw ToolError.system(path) }
    Temporaries.forget(temporary.slot)
    self.temporary = nil
    try syncFolder(of: path)
  }

  /// Drops a file that is not committed.
  public func discard() {
    buffer.removeAll()
    if descriptor > STDERR_FILENO { close(descriptor) }
    descriptor = -1
    if let temporary {
      unlink(temporary.path)
      Temporaries.forget(temporary.slot)
    }
    temporary = nil
  }
}

/// The name must be on the disk too.
private func syncFolder(of path: String) throws {
  let folder = split(path).folder
  let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw ToolError.system(folder) }
  defer { close(descriptor) }
  // some file systems cannot, and say EINVAL
  guard fsync(descriptor) == 0 || errno == EINVAL else { throw ToolError.system(folder) }
}

func split(_ path: String) -> (folder: String, file: String) {
  guard let slash = path.lastIndex(of: "/") else { return (".", path) }
  let folder = slash == path.startIndex ? "/" : String(path[..<slash])
  return (folder, String(path[path.index(after: slash)...]))
}

/// The path without links; of one that points at nothing, where the file would be made.
private func resolved(_ path: String) -> String {
  if let real = realPath(path) { return real }
  var place = path
  for _ in 0..<40 {
    guard let target = linkTarget(place) else { return place }
    place = target.hasPrefix("/") ? target : "\(split(place).folder)/\(target)"
  }
  return path
}
