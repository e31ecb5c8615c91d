/// The documents of several inputs in order, some megabytes of them at a time: to be worked on together.
public final class DocumentBatches {
  private static let batchBytes = 1 << 22

  private let open: () throws -> DocumentReader?
  private var reader: DocumentReader?
  private var failure: (any Error)?

  /// - Parameter open: the next input; nil when there is none.
  public init(_ open: @escaping () throws -> DocumentReader?) { self.open = open }

  /// The next documents, at least one; nil at the end.
  /// - Throws: what an input throws, after the documents before it.
  public func next() throws -> [RawDocument]? {
    if let failure { throw failure }
    var batch: [RawDocument] = []
    var size = 0
    do {
      while size < Self.batchBytes {
        guard let current = try reader ?? open() else { break }
        reader = current
        guard let document = try current.next() else {
          reader = nil
          continue
        }
        size += document.bytes.count + 64
        batch.append(document)
      }
    } catch {
      guard !batch.isEmpty else { throw error }
      failure = error
    }
    return batch.isEmpty ? nil : batch
  }
}
