import FilePaths
import Glibc

/// A run's hold of what it writes, which one process at a time has: a lock on `.NAME.lock` beside it.
///
/// The file goes with the hold; one that a killed run left holds nothing. Some network file systems
/// cannot lock; then the user must see to it.
public final class OutputLock {
  /// What is held, links followed.
  public let place: String
  private var descriptor: Int32 = -1
  private var slot: Int?

  /// Takes hold of a file or folder, which need not be there. Standard output, devices and pipes are
  /// nobody's.
  ///
  /// - Throws: `ToolError` when another process holds it, or when nothing can be made beside it.
  public init(_ path: String) throws {
    var trimmed = path
    while trimmed.hasSuffix("/"), trimmed.count > 1 { trimmed.removeLast() }
    place = OutputFile.place(of: trimmed)
    var status = stat()
    let kind = stat(place, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    guard place != "-", kind == S_IFREG || kind == S_IFDIR else { return }
    repeat { descriptor = try lock(path) } while !(try isNamed(path))
  }

  deinit { release() }

  /// To be called at the latest when the last of the outputs has its name.
  public func release() {
    guard descriptor >= 0 else { return }
    // The name goes first: who opens the file from now on does not get this one.
    if let slot {
      unlink(file)
      Temporaries.forget(slot)
    }
    close(descriptor)
    descriptor = -1
  }

  private var file: String {
    let (folder, name) = split(place)
    return "\(folder)/.\(name.prefix(200)).lock"
  }

  private func lock(_ path: String) throws -> Int32 {
    var opened = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o666)
    if opened < 0, [EACCES, EPERM, EROFS].contains(errno) {
      // Beside it nothing may be written: it is locked itself.
      let cause = errno
      opened = open(place, O_RDONLY | O_CLOEXEC)
      if opened < 0 { errno = cause }
    }
    guard opened >= 0 else { throw ToolError.system(path) }
    if flock(opened, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      close(opened)
      throw ToolError("\(path): another run writes there")
    }
    return opened
  }

  /// Whether what is locked still has its name: between opening and locking, its holder may have
  /// released and removed it. Then it is closed.
  private func isNamed(_ path: String) throws -> Bool {
    var (held, named, target) = (stat(), stat(), stat())
    guard fstat(descriptor, &held) == 0 else { throw ToolError.system(path) }
    if stat(file, &named) == 0, named.st_ino == held.st_ino, named.st_dev == held.st_dev {
      slot = try Temporaries.add(file)
      return true
    }
    if stat(place, &target) == 0, target.st_ino == held.st_ino, target.st_dev == held.st_dev {
      return true
    }
    close(descriptor)
    descriptor = -1
    return false
  }
}
