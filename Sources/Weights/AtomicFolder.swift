import FilePaths
import Glibc

/// Makes `folder` hold `files`, in one step: they are written and synced in a temporary folder beside
/// it, which is then exchanged with what is there. At every moment a reader finds the old folder or
/// the new one, whole.
///
/// - Parameter marker: a file that shows an existing folder to be one of ours to replace. Other files
///   in it are kept.
func replaceFolder(_ path: String, with files: [String: [UInt8]], marker: String) throws {
  for name in files.keys where !staysInside(name) {
    throw WeightsError(path, "\(name) leads out of the folder")
  }
  let folder = try resolveTarget(path, marker: marker)
  let temporary = try makeTemporaryFolder(beside: folder)
  do {
    for (name, content) in files.sorted(by: { $0.key < $1.key }) {
      try makeFolders(of: name, in: temporary)
      try writeSynced(content, to: temporary + "/" + name)
    }
    try syncTree(temporary)
    try putInPlace(temporary, folder)
  } catch let error as WeightsError {
    removeTree(temporary)
    throw WeightsError(path, error.message)  // the temporary's name means nothing to anybody
  }
  try syncFolder(parent(of: folder))
}

/// Whether `replaceFolder` could begin: what stands at `path` may be replaced, and its parent is there
/// and can be written to.
func checkReplaceable(_ path: String, marker: String) throws {
  rmdir(try makeTemporaryFolder(beside: try resolveTarget(path, marker: marker)))
}

/// The folder to write, links followed, so that a link keeps pointing at the adapter.
private func resolveTarget(_ path: String, marker: String) throws -> String {
  var trimmed = path
  while trimmed.hasSuffix("/"), trimmed.count > 1 { trimmed.removeLast() }
  guard let folder = realPath(trimmed) else {
    guard errno == ENOENT else { throw WeightsError(path, lastSystemError()) }
    return trimmed
  }
  guard isFolder(folder) else { throw WeightsError(path, "exists and is not a folder") }
  guard access(folder + "/" + marker, F_OK) == 0 || contents(of: folder).isEmpty else {
    throw WeightsError(path, "exists and has no \(marker): not replaced")
  }
  return folder
}

func makeTemporaryFolder(beside folder: String) throws -> String {
  for attempt in 0..<100 {
    let name = ".\(baseName(folder)).\(getpid()).\(attempt).tmp"
    let path = parent(of: folder) + "/" + name
    if mkdir(path, 0o777) == 0 { return path }
    guard errno == EEXIST else { throw WeightsError(folder, lastSystemError()) }
  }
  throw WeightsError(folder, "too many temporary folders beside it")
}

/// Makes the folders that stand before the last part of `name`.
private func makeFolders(of name: String, in folder: String) throws {
  var path = folder
  for part in name.split(separator: "/").dropLast() {
    path += "/" + part
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw WeightsError(path, lastSystemError())
    }
  }
}

func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
  var done = 0
  while done < bytes.count {
    let written = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
    if written < 0 && errno == EINTR { continue }
    guard written > 0 else { throw WeightsError(path, lastSystemError()) }
    done += written
  }
}

func writeSynced(_ content: [UInt8], to path: String) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
  guard descriptor >= 0 else { throw WeightsError(path, lastSystemError()) }
  do {
    try content.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    guard fsync(descriptor) == 0 else { throw WeightsError(path, lastSystemError()) }
  } catch {
    close(descriptor)
    throw error
  }
  guard close(descriptor) == 0 else { throw WeightsError(path, lastSystemError()) }
}

func syncTree(_ path: String) throws {
  for name in contents(of: path) where isFolder(path + "/" + name) {
    try syncTree(path + "/" + name)
  }
  try syncFolder(path)
}

func syncFolder(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw WeightsError(path, lastSystemError()) }
  defer { close(descriptor) }
  // Some network file systems cannot sync a folder and say EINVAL; their renames are theirs to keep.
  guard fsync(descriptor) == 0 || errno == EINVAL else {
    throw WeightsError(path, lastSystemError())
  }
}

/// Moves `temporary` to `folder`. What was there ends up at `temporary` and is then cleared away,
/// except for files that the new folder lacks, which move over.
private func putInPlace(_ temporary: String, _ folder: String) throws {
  // Succeeds when nothing, or an empty folder, is there.
  if rename(temporary, folder) == 0 { return }
  guard errno == ENOTEMPTY || errno == EEXIST else {
    throw WeightsError(folder, lastSystemError())
  }
  guard exchange(temporary, folder) else {
    guard errno == EINVAL || errno == ENOSYS else { throw WeightsError(folder, lastSystemError()) }
    return try putInPlaceInTwoSteps(temporary, folder)
  }
  carryOver(from: temporary, to: folder)
}

/// Swaps two folders in one step (Linux's renameat2, which Swift's Glibc module does not show).
func exchange(_ one: String, _ other: String) -> Bool {
  typealias Path = UnsafePointer<CChar>
  typealias RenameAt2 = @convention(c) (CInt, Path, CInt, Path, CUnsignedInt) -> CInt
  guard let symbol = dlsym(nil, "renameat2") else {
    errno = ENOSYS
    return false
  }
  let exchangeFlag: CUnsignedInt = 2
  let renameAt2 = unsafeBitCast(symbol, to: RenameAt2.self)
  return one.withPath { one in
    other.withPath { renameAt2(AT_FDCWD, one, AT_FDCWD, $0, exchangeFlag) == 0 }
  }
}

/// For file systems without an exchange: between the two renames there is a moment without the
/// folder, never one with half of it.
private func putInPlaceInTwoSteps(_ temporary: String, _ folder: String) throws {
  let old = temporary + ".old"
  guard rename(folder, old) == 0 else { throw WeightsError(folder, lastSystemError()) }
  guard rename(temporary, folder) == 0 else {
    let error = WeightsError(folder, lastSystemError())
    _ = rename(old, folder)
    throw error
  }
  carryOver(from: old, to: folder)
}

/// Moves what `folder` lacks out of `old` and removes the rest. The new adapter is already in place,
/// so nothing here is an error: what could not be moved stays where it is.
private func carryOver(from old: String, to folder: String) {
  let present = Set(contents(of: folder))
  for name in contents(of: old) where !present.contains(name) {
    _ = rename(old + "/" + name, folder + "/" + name)
  }
  removeTree(old)
}

/// Removes a folder with all that is in it; links are removed, not followed.
func removeTree(_ folder: String) {
  for name in contents(of: folder) {
    let path = folder + "/" + name
    if unlink(path) != 0 { removeTree(path) }
  }
  rmdir(folder)
}

/// The names in a folder but `.` and `..`; none when it cannot be read.
func contents(of folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = entryName(entry)
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}

func parent(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
