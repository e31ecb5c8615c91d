/// How the texts of consecutive lines make documents.
public enum Joining: String, Sendable, CaseIterable {
  /// Each is a document.
  case none
  /// A new one begins at a level-1 heading of WikiText: a line ` = Title = `.
  case headings
  /// All of the input together are one.
  case all
}

/// Joins texts into documents, with nothing between them. A document's source is its first text's.
public struct DocumentJoiner: Sendable {
  private let joining: Joining
  private let maximumBytes: Int
  private var pending: Document?

  /// - Parameter maximumBytes: of a joined document.
  public init(_ joining: Joining, maximumBytes: Int = 1 << 30) {
    self.joining = joining
    self.maximumBytes = maximumBytes
  }

  /// Adds a text and returns the documents that it completes.
  public mutating func append(_ document: Document) throws(DocumentError) -> [Document] {
    switch joining {
    case .none: return [document]
    case .all:
      try extend(document.text[...], source: document.source)
      return []
    case .headings: return try split(document)
    }
  }

  /// The document that no heading has completed.
  public mutating func finish() -> Document? {
    defer { pending = nil }
    return pending
  }

  private mutating func split(_ document: Document) throws(DocumentError) -> [Document] {
    var completed = [Document]()
    var rest = document.text[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: 0x0a).map { $0 + 1 } ?? rest.endIndex
      let line = rest[..<end]
      // Blank lines before the first heading belong to its document.
      if Self.isHeading(line), let pending, pending.text.contains(where: { !Self.isSpace($0) }) {
        completed.append(pending)
        self.pending = nil
      }
      try extend(line, source: document.source)
      rest = rest[end...]
    }
    return completed
  }

  private mutating func extend(
    _ text: ArraySlice<UInt8>, source: String
  ) throws(DocumentError) {
    if pending == nil { pending = Document(text: [], source: source) }
    pending?.text += text
    if let size = pending?.text.count, size > maximumBytes {
      throw DocumentError("a joined document of more than \(maximumBytes) bytes")
    }
  }

  /// ` = Title = `, but neither ` = = Section = = ` nor a line that only contains ` = `.
  private static func isHeading(_ line: ArraySlice<UInt8>) -> Bool {
    var words = line.split(whereSeparator: isSpace)[...]
    let mark = [UInt8(ascii: "=")]
    guard words.count > 2, line.first == 0x20, words.popFirst().map(Array.init) == mark,
      words.popLast().map(Array.init) == mark
    else { return false }
    return words.first.map(Array.init) != mark && words.last.map(Array.init) != mark
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }
}
