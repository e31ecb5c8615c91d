import FilePaths
import Glibc

/// A folder named as an input stands for the files in it.
public struct InputFolder {
  /// The files that are wanted, sorted by their paths' bytes.
  public private(set) var files: [String] = []
  /// The others, sorted likewise.
  public private(set) var others: [String] = []

  /// The files of the path's folder and the folders in it whose names `isWanted` says yes to, or the
  /// path alone where it is none. Links are followed, hidden files left out, and so are links to a folder
  /// above, which would have every file in it read again and again.
  /// - Throws: `ToolError` where a folder cannot be read or holds no such file.
  public init(_ path: String, where isWanted: (String) -> Bool) throws {
    guard Self.isFolder(path) else {
      files = [path]
      return
    }
    try walk(path, above: [], isWanted)
    if files.isEmpty { throw ToolError("\(path): no text files in this folder") }
    files.sort { $0.pathBytes.lexicographicallyPrecedes($1.pathBytes) }
    others.sort { $0.pathBytes.lexicographicallyPrecedes($1.pathBytes) }
  }

  private static let deepest = 64

  /// A folder, whatever its path.
  private struct Identity: Equatable {
    var device: dev_t
    var inode: ino_t
  }

  private mutating func walk(
    _ folder: String, above: [Identity], _ isWanted: (String) -> Bool
  ) throws {
    if above.count > Self.deepest {
      throw ToolError("\(folder): more than \(Self.deepest) folders deep")
    }
    guard let directory = opendir(folder) else { throw ToolError.system(folder) }
    defer { closedir(directory) }
    var status = stat()
    guard fstat(dirfd(directory), &status) == 0 else { throw ToolError.system(folder) }
    let own = Identity(device: status.st_dev, inode: status.st_ino)
    if above.contains(own) { return }
    while let entry = readdir(directory) {
      let name = entryName(entry)
      if name.hasPrefix(".") { continue }
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if Self.isFolder(path) {
        try walk(path, above: above + [own], isWanted)
      } else if isWanted(name) {
        files.append(path)
      } else {
        others.append(path)
      }
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return path != "-" && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
