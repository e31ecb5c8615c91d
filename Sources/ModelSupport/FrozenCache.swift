import FilePaths
import Glibc
import Modeling
import Records
import Safetensors
import ShardIO
import ToolSupport
import Weights

/// A folder with the frozen states of every chunk: shards of kind `states`, each named after its first
/// row, and cache.json, which is written last and says which run's they are.
///
/// A folder without cache.json is no cache, whatever else is in it. A cache never changes.
public struct FrozenCache: Sendable {
  static let format = "memlong-frozen/1"
  static let indexFile = "cache.json"
  private static let prefix = "states-"
  /// A file ends before the row that would follow this many bytes of states.
  private static let fileTarget = 64 << 20

  struct File: Sendable {
    var name: String
    var firstRow: Int
    var rows: Int
    var digest: String
  }

  public let folder: String
  let parameters: StateParameters
  let files: [File]

  /// The first layer that is still to be computed.
  public var layer: Int { parameters.layer }

  /// Opens the cache in `folder`; nil where there is none.
  ///
  /// - Parameter rows: of the chunks.
  /// - Throws: `ToolError` naming the first difference when it is another run's, or the file that is
  ///   damaged.
  public init?(_ folder: String, identity: RunIdentity, parameters: StateParameters, rows: Int)
    throws
  {
    guard Self.exists(in: folder) else { return nil }
    let path = folder + "/" + Self.indexFile
    guard let index = try Adapter.readExtra(Self.indexFile, folder: folder) else { return nil }
    guard index["format"]?.stringValue == Self.format else {
      throw ToolError("\(path): format is not \(Self.format)")
    }
    try identity.check(
      index["run"], path: folder, remedy: "remove it, or name another --cache-frozen")
    self.folder = folder
    self.parameters = parameters
    files = try (index["files"]?.arrayValue ?? []).map { try Self.file($0, path: path) }
    var row = 0
    for file in files {
      guard file.firstRow == row else { throw ToolError("\(path): row \(row) is in no file") }
      row += file.rows
      try check(file)
    }
    guard row == rows else { throw ToolError("\(path): \(row) rows, but the chunks have \(rows)") }
  }

  /// Whether there is one in `folder`, of whichever run.
  public static func exists(in folder: String) -> Bool {
    folderContents(folder).contains(indexFile)
  }

  private static func file(_ json: JSONValue, path: String) throws -> File {
    guard let name = json["name"]?.stringValue, name.hasPrefix(prefix), !name.contains("/"),
      let firstRow = json["first_row"]?.intValue, (0..<1 << 48).contains(firstRow),
      let rows = json["rows"]?.intValue, (1..<1 << 48).contains(rows),
      let digest = json["digest"]?.stringValue
    else { throw ToolError("\(path): names no files of states") }
    return File(name: name, firstRow: firstRow, rows: rows, digest: digest)
  }

  /// Whether the file ends as it was written; what lies before is checked when it is read.
  private func check(_ file: File) throws {
    let path = folder + "/" + file.name
    let end = try MappedFile(path: path).withBytes { Array($0.suffix(16)) }
    guard end == Digest(hexadecimal: file.digest)?.bytes else {
      throw ToolError(
        "\(path): truncated, or not the file that cache.json names (remove \(folder))")
    }
  }

  /// The states of a lane that goes on at `row`.
  public func source(from row: Int) throws -> any FrozenStateSource {
    let rest = files.drop { $0.firstRow + $0.rows <= row }
    let inputs = try rest.map { try InputFile(folder + "/" + $0.name) }
    return CachedStates(
      folder: folder, expected: parameters, inputs: inputs, base: rest.first?.firstRow ?? 0,
      row: row)
  }

  // MARK: Writing

  /// Computes and writes the states of all chunks, unless another run has done so in the meantime.
  ///
  /// One run at a time writes; others wait for it.
  ///
  /// - Parameters:
  ///   - isWaiting: told when another run is at it.
  ///   - progress: told of the tokens done.
  public static func write(
    _ folder: String, identity: RunIdentity, parameters: StateParameters, input: ChunkInput,
    prefix: FrozenPrefix, isWaiting: () -> Void, progress: (Int) -> Void
  ) throws {
    try makeFolder(folder)
    let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else { throw ToolError.system(folder) }
    defer { close(lock) }
    // Some network file systems cannot lock; then the user must see to it.
    if flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      isWaiting()
      flock(lock, LOCK_EX)
    }
    guard !exists(in: folder) else { return }
    for name in folderContents(folder) where isLeftover(name) { unlink(folder + "/" + name) }
    let files = try writeStates(folder, parameters, input, prefix, progress)
    let index: JSONValue = [
      "format": .string(format), "run": identity.json,
      "files": .array(
        files.map { file in
          [
            "name": .string(file.name), "first_row": .integer(Int64(file.firstRow)),
            "rows": .integer(Int64(file.rows)), "digest": .string(file.digest),
          ]
        }),
    ]
    let output = try OutputFile(folder + "/" + indexFile)
    try output.write(index.prettyEncoded)
    try output.commit()
  }

  /// What a killed writer left.
  private static func isLeftover(_ name: String) -> Bool {
    name.hasPrefix(prefix) && name.hasSuffix(".mls")
      || name.hasSuffix(".tmp") && (name.hasPrefix("." + prefix) || name.hasPrefix("." + indexFile))
  }

  private static func writeStates(
    _ folder: String, _ parameters: StateParameters, _ input: ChunkInput, _ prefix: FrozenPrefix,
    _ progress: (Int) -> Void
  ) throws -> [File] {
    var prefix = prefix
    var lane = LaneReader(try input.open(), rows: 0..<input.census.rows)
    var files: [File] = []
    var writer: (output: OutputFile, states: StateWriter, bytes: Int)?
    var (row, tokens) = (0, 0)
    func end() throws {
      guard let open = writer else { return }
      files[files.count - 1].rows = open.states.rows
      files[files.count - 1].digest = try open.states.finish().description
      try open.output.commit()
      writer = nil
    }
    while let segment = try lane.next() {
      for state in try prefix.next(for: segment).rows(parameters) {
        if let open = writer, open.bytes >= fileTarget { try end() }
        if writer == nil {
          let digits = String(row)
          let name = self.prefix + String(repeating: "0", count: max(0, 12 - digits.count)) + digits
          files.append(File(name: name + ".mls", firstRow: row, rows: 0, digest: ""))
          let output = try OutputFile("\(folder)/\(name).mls")
          writer = (output, StateWriter(sink: output, parameters: parameters), 0)
        }
        try writer?.states.append(state)
        writer?.bytes += state.byteCount
        row += 1
      }
      tokens += segment.tokens.count
      progress(tokens)
    }
    try end()
    return files
  }
}

extension FrozenStates {
  /// A row for each chunk.
  fileprivate func rows(_ parameters: StateParameters) -> [StateRow] {
    var hidden: [UInt8] = []
    withHidden { hidden = Array($0) }
    let width = hidden.count / max(1, chunkLengths.reduce(0, +))
    var start = 0
    return zip(chunkLengths, chunks).map { length, chunk in
      defer { start += length * width }
      return StateRow(
        tokens: length, hidden: Array(hidden[start..<start + length * width]),
        memory: chunk.map { chunk in
          parameters.memoryLayers.indices.map { slot in
            var part = StateRow.Memory(keys: [], values: [])
            chunk.withBytes(slot: slot) { part = .init(keys: Array($0), values: Array($1)) }
            return part
          }
        })
    }
  }
}

extension StateRow {
  fileprivate var byteCount: Int {
    hidden.count + (memory ?? []).reduce(0) { $0 + $1.keys.count + $1.values.count }
  }
}
