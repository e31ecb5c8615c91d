/// Documents to be worked on together, and what there is to say of the inputs they come from.
public struct DocumentBatch: Sendable {
  public internal(set) var documents: [RawDocument] = []
  /// Inputs that ended without a document, by name.
  public internal(set) var empty: [String] = []
  /// What was wrong with inputs whose rest was left out, a line each.
  public internal(set) var failures: [String] = []

  var isIdle: Bool { documents.isEmpty && empty.isEmpty && failures.isEmpty }
}

/// The documents of several inputs in order, some megabytes of them at a time.
public final class DocumentBatches {
  private static let batchBytes = 1 << 22

  private let skipsFailures: Bool
  private let open: () throws -> DocumentReader?
  private var reader: DocumentReader?
  private var failure: (any Error)?

  /// - Parameters:
  ///   - skipsFailures: leaves out an input that fails, from the failure on.
  ///   - open: the next input; nil when there is none.
  public init(skipsFailures: Bool = false, _ open: @escaping () throws -> DocumentReader?) {
    self.skipsFailures = skipsFailures
    self.open = open
  }

  /// The next documents; nil at the end.
  /// - Throws: what an input throws, after the documents before it.
  public func next() throws -> DocumentBatch? {
    if let failure { throw failure }
    var batch = DocumentBatch()
    var size = 0
    while size < Self.batchBytes {
      do {
        guard let current = try reader ?? open() else { break }
        reader = current
        if let document = try current.next() {
          size += document.bytes.count + 64
          batch.documents.append(document)
          continue
        }
        if current.count == 0 { batch.empty.append(current.name) }
      } catch {
        if !skipsFailures {
          guard !batch.isIdle else { throw error }
          failure = error
          break
        }
        batch.failures.append("\(error)")
      }
      reader = nil
    }
    return batch.isIdle ? nil : batch
  }
}
