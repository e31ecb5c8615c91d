import Glibc

/// A folder named as an input stands for the files in it.
public enum InputFolder {
  /// Puts in the place of each folder the files in it and in its folders whose names `isWanted`
  /// says yes to, sorted by their paths' bytes; links are followed, hidden ones left out, and so
  /// are links to a folder above, which would have every file in it read again and again.
  /// - Throws: `ToolError` where a folder cannot be read or holds no such file.
  public static func expand(
    _ paths: [String], where isWanted: (String) -> Bool
  ) throws -> [String] {
    try paths.flatMap { path in
      guard isFolder(path) else { return [path] }
      var found = [String]()
      try walk(path, above: [], isWanted, into: &found)
      if found.isEmpty { throw ToolError("\(path): no text files in this folder") }
      return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
  }

  private static let deepest = 64

  /// A folder, whatever its path.
  private struct Identity: Equatable {
    var device: dev_t
    var inode: ino_t
  }

  private static func walk(
    _ folder: String, above: [Identity], _ isWanted: (String) -> Bool, into found: inout [String]
  ) throws {
    if above.count > deepest { throw ToolError("\(folder): more than \(deepest) folders deep") }
    guard let directory = opendir(folder) else { throw ToolError.system(folder) }
    defer { closedir(directory) }
    var status = stat()
    guard fstat(dirfd(directory), &status) == 0 else { throw ToolError.system(folder) }
    let own = Identity(device: status.st_dev, inode: status.st_ino)
    if above.contains(own) { return }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasPrefix(".") { continue }
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if isFolder(path) {
        try walk(path, above: above + [own], isWanted, into: &found)
      } else if isWanted(name) {
        found.append(path)
      }
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return path != "-" && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
