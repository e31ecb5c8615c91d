import ArgumentParser
import FilePaths
import Glibc

/// A model, retriever or tokenizer as a person names it: no path, so that no reader takes it before it
/// was looked up.
public struct ModelName: ExpressibleByArgument, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ text: String) { description = text }

  public init(argument: String) { self.init(argument) }

  /// What it names on disk, else the snapshot of `org/name` or `org/name@revision` in the local cache of
  /// the Hugging Face hub; without a revision that of `main`, or the only one there is. Nothing is
  /// downloaded.
  ///
  /// - Throws: `ToolError`, one line, for a hub name that is not there; it says where it was looked for
  ///   and how to fetch it. Any other path is given back for its reader to complain of.
  public func path() throws -> String {
    if access(description, F_OK) == 0 { return description }
    guard let model = HubName(description) else { return description }
    return try HubCache().snapshot(of: model)
  }
}

/// `org/name`, perhaps with `@revision`: a branch, a tag, a commit.
struct HubName {
  let repository: String
  let revision: String?

  init?(_ text: String) {
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = parts[0].split(separator: "/", omittingEmptySubsequences: false)
    guard names.count == 2, names.allSatisfy(Self.isName), !text.hasSuffix(".gguf") else {
      return nil
    }
    repository = String(parts[0])
    revision = parts.count == 2 ? String(parts[1]) : nil
    if let revision {
      // refs/pr/1 is a revision, too
      guard revision.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(Self.isName)
      else { return nil }
    }
  }

  /// The hub's own characters; a name cannot lead out of the folder.
  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text != "." && text != ".."
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."):
          true
        default: false
        }
      }
  }
}

/// The cache that the Hugging Face clients share: `models--ORG--NAME/refs/REVISION` holds the commit
/// whose files are in `models--ORG--NAME/snapshots/COMMIT`.
struct HubCache {
  let folder: String

  /// Where huggingface_hub looks: HF_HUB_CACHE, else `hub` in HF_HOME, else in the user's cache.
  init() {
    if let cache = environment("HF_HUB_CACHE") ?? environment("HUGGINGFACE_HUB_CACHE") {
      folder = cache
    } else if let home = environment("HF_HOME") {
      folder = home + "/hub"
    } else {
      let caches = environment("XDG_CACHE_HOME") ?? expandingHome("~/.cache")
      folder = caches + "/huggingface/hub"
    }
  }

  func snapshot(of model: HubName) throws -> String {
    let repository =
      folder + "/models--"
      + model.repository.split(separator: "/").joined(separator: "--")
    guard access(repository, F_OK) == 0 else {
      throw ToolError(
        "\(model.repository): neither a file or folder nor in the Hugging Face cache \(folder); "
          + "to fetch it: \(fetching(model))")
    }
    let revision = model.revision ?? "main"
    // A commit that was fetched by its own name leaves no branch; then the only one there is meant.
    let only = model.revision == nil ? onlyEntry(of: repository + "/snapshots") : nil
    let commit = firstLine(repository + "/refs/" + revision) ?? only ?? revision
    let snapshot = repository + "/snapshots/" + commit
    guard !commit.contains("/"), access(snapshot, F_OK) == 0 else {
      throw ToolError(
        "\(model.repository): revision \(revision) is not in \(repository); "
          + "to fetch it: \(fetching(model))")
    }
    return snapshot
  }

  private func fetching(_ model: HubName) -> String {
    "hf download \(model.repository)" + (model.revision.map { " --revision \($0)" } ?? "")
  }

  /// The name of a folder's entry; nil where there are others or none.
  private func onlyEntry(of folder: String) -> String? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while names.count < 2, let entry = readdir(directory) {
      let name = entryName(entry)
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.count == 1 ? names[0] : nil
  }

  /// The first line of a small file; nil where there is none.
  private func firstLine(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    let text = line.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }
    return String(decoding: text, as: UTF8.self)
  }
}

/// An environment variable that is set and not empty, `~/` expanded.
private func environment(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return expandingHome(String(cString: value))
}

private func expandingHome(_ path: String) -> String {
  guard path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
  return String(cString: home) + path.dropFirst()
}
