import FilePaths
import Glibc
import Safetensors
import ToolSupport
import Weights

/// A folder of checkpoints, `checkpoint-STEP` each. A checkpoint is a folder that appears complete or
/// not at all: safetensors files, and state.json, which names their XXH64 and its own.
///
/// One run at a time holds the folder. A checkpoint goes when newer ones are whole, or when a person
/// removes it.
public final class CheckpointStore {
  public let folder: String
  private let lock: OutputLock
  private static let prefix = "checkpoint-"

  /// Takes hold of the folder, which is made when there is a checkpoint to write, and removes what killed
  /// runs left.
  ///
  /// - Throws: `ToolError` when another run holds it, or when it is no folder.
  public init(_ folder: String) throws {
    // Not to be left to `deinit` before it is held.
    let lock = try OutputLock(folder)
    self.folder = folder
    self.lock = lock
    if access(folder, F_OK) == 0 { try makeFolder(folder) }
    for name in folderContents(folder) where name.hasPrefix("." + Self.prefix) {
      let step = name.dropFirst(Self.prefix.count + 1).prefix { $0 != "." }
      removeTemporaries(of: Self.prefix + step, in: folder)
    }
  }

  deinit {
    rmdir(folder)  // fails unless it is empty
    lock.release()
  }

  /// The steps that there are checkpoints of, the newest last.
  public var steps: [Int] {
    folderContents(folder).compactMap { name in
      guard name.hasPrefix(Self.prefix), let step = Int(name.dropFirst(Self.prefix.count)),
        step >= 0
      else { return nil }
      return step
    }.sorted()
  }

  /// Moves checkpoints out of the way, to a new folder `FOLDER.aside-N`, and gives its path.
  public func setAside(_ steps: [Int]) throws -> String {
    for number in 1...9999 {
      let aside = "\(lock.place).aside-\(number)"
      if mkdir(aside, 0o777) != 0 {
        guard errno == EEXIST else { throw ToolError.system(aside) }
        continue
      }
      for step in steps {
        guard rename(Self.path(step, in: folder), Self.path(step, in: aside)) == 0 else {
          throw ToolError.system(aside)
        }
      }
      return aside
    }
    throw ToolError("\(folder): too many of its checkpoints were set aside")
  }

  public static func path(_ step: Int, in folder: String) -> String {
    "\(folder)/\(prefix)\(step)"
  }

  /// The newest checkpoint whose files are what its state says; nil where there is none at all.
  ///
  /// - Parameter skipping: told of each damaged one that is passed over.
  /// - Throws: `ToolError` when there are checkpoints, but every one is damaged.
  public func newest(skipping: (String) -> Void) throws -> StoredCheckpoint? {
    let steps = self.steps
    for step in steps.reversed() {
      do {
        return try StoredCheckpoint(Self.path(step, in: folder))
      } catch {
        skipping("\(error): passed over")
      }
    }
    guard steps.isEmpty else { throw ToolError("\(folder): every checkpoint is damaged") }
    return nil
  }

  /// Writes a checkpoint, then removes the oldest ones but for `keep`.
  public func write(
    step: Int, state: [String: JSONValue], files: [(name: String, tensors: [TensorParts])],
    keep: Int
  ) throws {
    try makeFolder(folder)
    let writer = try FolderWriter(Self.path(step, in: folder))
    var digests: [String: JSONValue] = [:]
    for file in files {
      digests[file.name] = .string(
        try writer.write(file.tensors, metadata: ["format": StoredCheckpoint.format], to: file.name)
      )
    }
    var state = state
    state["format"] = .string(StoredCheckpoint.format)
    state["files"] = .object(digests)
    try writer.write(
      Array(JSONValue.object(Seal.add("digest", to: state)).prettyEncoded.utf8),
      to: StoredCheckpoint.stateFile)
    try writer.commit()
    for old in steps.dropLast(keep) { try removeFolder(Self.path(old, in: folder)) }
  }
}

/// A checkpoint on disk.
public struct StoredCheckpoint: Sendable {
  static let format = "memlong-checkpoint/2"
  static let stateFile = "state.json"

  public let path: String
  public let state: JSONValue
  private let files: [String: MappedSafetensors]

  /// - Throws: a one-line error when a file is missing, or not what state.json says.
  init(_ path: String) throws {
    self.path = path
    state = try Self.state(at: path)
    guard let digests = state["files"]?.objectValue else {
      throw WeightsError(path, "state.json names no files")
    }
    var files: [String: MappedSafetensors] = [:]
    for (name, digest) in digests.sorted(by: { $0.key < $1.key }) {
      guard !name.contains("/") else { throw WeightsError(path, "state.json leads out of it") }
      guard try fileDigest(path + "/" + name) == digest.stringValue else {
        throw WeightsError(path, "\(name) is not the file that state.json names")
      }
      files[name] = try MappedSafetensors(path: path + "/" + name)
    }
    self.files = files
  }

  /// state.json alone.
  public static func state(at path: String) throws -> JSONValue {
    guard let state = try Adapter.readExtra(stateFile, folder: path) else {
      throw WeightsError(path, "no \(stateFile)")
    }
    guard state["format"]?.stringValue == format else {
      throw WeightsError(path, "format is not \(format)")
    }
    guard Seal.check("digest", of: state) == true else {
      throw WeightsError(path, "\(stateFile) is not as it was written")
    }
    return state
  }

  public func file(_ name: String) throws -> MappedSafetensors {
    guard let file = files[name] else { throw WeightsError(path, "no \(name)") }
    return file
  }

  public func error(_ message: String) -> ToolError { ToolError("\(path): \(message)") }

  /// A number ≥ 0 of an object in state.json.
  public func number(_ name: String, in object: JSONValue? = nil) throws -> Int {
    guard let value = (object ?? state)[name]?.intValue, value >= 0 else {
      throw error("state.json: \(name) is missing or no number")
    }
    return value
  }
}
