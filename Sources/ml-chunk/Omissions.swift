import Chunking
import ToolSupport

/// What the inputs hold that does not become a document: said on standard error.
struct Omissions {
  /// Whether what is bad is left out, instead of ending the run.
  let skips: Bool
  private var inputs = 0
  private var documents = 0
  private var empty: [String] = []
  private var skipped = 0

  private static let named = 5

  init(skips: Bool) { self.skips = skips }

  /// The files of the inputs, of which a folder may hold others too.
  /// - Throws: `ToolError` for one that is missing, now, since each is opened in its turn only.
  mutating func files(of inputs: [String], options: CommonOptions) throws -> [String] {
    var files: [String] = []
    for input in inputs {
      do {
        let folder = try InputFolder(input, where: Self.isText)
        for file in folder.files { try check(file) { files.append($0) } }
        if !folder.others.isEmpty {
          let count = folder.others.count
          options.note(
            "\(input): \(count == 1 ? "1 file is" : "\(count) files are") left out, by name: "
              + Self.list(folder.others))
        }
      } catch {
        guard skips else { throw error }
        skip("\(error)")
      }
    }
    self.inputs = files.count
    return files
  }

  /// A README is about the folder, where it is not named itself.
  private static func isText(_ name: String) -> Bool {
    DocumentFormat.ofFile(named: name) != nil && !name.lowercased().hasPrefix("readme.")
  }

  private mutating func check(_ file: String, _ isThere: (String) -> Void) throws {
    do {
      _ = try InputFile(file, isBinary: false)
      isThere(file)
    } catch {
      guard skips else { throw error }
      skip("\(error)")
    }
  }

  mutating func add(_ batch: DocumentBatch, _ failures: [String]) {
    documents += batch.documents.count - failures.count
    empty += batch.empty
    for failure in failures + batch.failures { skip(failure) }
  }

  private mutating func skip(_ failure: String) {
    skipped += 1
    if skips { printMessage("skipped: \(failure)") }
  }

  /// - Throws: `ToolError` where there is no document at all.
  func report(options: CommonOptions) throws {
    if skips && skipped > 0 {
      printMessage(
        "SKIPPED \(skipped) bad \(skipped == 1 ? "line or file" : "lines or files"), named above "
          + "(--on-error skip)")
    }
    guard documents > 0 else {
      throw ToolError("\(empty.count == 1 ? empty[0] : "the inputs"): no documents")
    }
    if !empty.isEmpty {
      options.note(
        "warning: \(empty.count) of \(inputs) inputs \(empty.count == 1 ? "has" : "have") "
          + "no documents: " + Self.list(empty))
    }
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(named).joined(separator: ", ") + (names.count > named ? ", \u{2026}" : "")
  }
}
