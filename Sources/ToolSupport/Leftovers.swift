import FilePaths
import Glibc

/// Temporaries beside an output, `.NAME.PID.N.tmp`. Each is locked as long as it is written to, so that
/// one that can be locked is a killed tool's, whatever its number, and on whichever machine it ran. Where
/// the file system cannot lock, all of them stay.
enum Leftovers {
  /// Where `attempt` would write `file`.
  static func temporary(of file: String, attempt: Int) -> String {
    "\(prefix(of: file))\(getpid()).\(attempt).tmp"
  }

  private static func prefix(of file: String) -> String { ".\(file.prefix(200))." }

  /// Locks a temporary that was just made.
  ///
  /// - Returns: false when another tool took it for a leftover in between, and removed it.
  static func hold(_ descriptor: Int32) -> Bool {
    while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {}
    var status = stat()
    return fstat(descriptor, &status) != 0 || status.st_nlink > 0
  }

  /// Removes what killed tools left of `file` in `folder`.
  static func remove(of file: String, in folder: String) {
    for name in names(in: folder) where isTemporary(name, of: file) {
      let path = "\(folder)/\(name)"
      // Over NFS an exclusive lock is for files that are open for writing.
      let descriptor = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
      close(descriptor)
    }
  }

  private static func isTemporary(_ name: String, of file: String) -> Bool {
    let prefix = prefix(of: file)
    guard name.hasPrefix(prefix), name.hasSuffix(".tmp") else { return false }
    let numbers = name.dropFirst(prefix.count).dropLast(4)
      .split(separator: ".", omittingEmptySubsequences: false)
    return numbers.count == 2
      && numbers.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) { names.append(entryName(entry)) }
    return names
  }
}
