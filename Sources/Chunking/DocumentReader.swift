import Glibc

/// How an input holds its documents.
public enum DocumentFormat: String, Sendable, CaseIterable {
  /// By the file's name; where that says nothing, JSON lines if the first byte that is not
  /// white space is `{`, and text otherwise.
  case auto
  /// One JSON object a line.
  case jsonl
  /// The whole input is one document.
  case text

  /// By the extension, behind `.zst`, `.zstd` and `.gz`; nil where it says nothing.
  public static func ofFile(named name: String) -> DocumentFormat? {
    var parts = name.lowercased().split(separator: ".")
    if let last = parts.last, ["zst", "zstd", "gz"].contains(last) { parts.removeLast() }
    switch parts.last {
    case "jsonl", "jsonlines", "json", "ndjson": return .jsonl
    // tokens and raw are WikiText's files
    case "txt", "text", "md", "markdown", "rst", "tokens", "raw": return .text
    default: return nil
    }
  }
}

/// A document as its input spells it: not yet parsed, not yet known to be UTF-8.
public struct RawDocument: Sendable {
  public let bytes: [UInt8]
  public let format: DocumentFormat  // jsonl or text
  /// The input's name and, for JSON lines, the line's number from 1.
  public let file: String
  public let line: Int

  /// Gives `body` the bytes as they stood in the input, with the line's end, in one or two pieces.
  public func eachPiece(_ body: (UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes(body)
    if format == .jsonl { withUnsafeBytes(of: UInt8(0x0a), body) }
  }
}

/// Reads the documents of one input, in order. Memory: one document and one buffer.
public final class DocumentReader {
  private static let blockSize = 1 << 20

  /// What messages call the input.
  public let name: String
  /// The documents that were read.
  public private(set) var count = 0
  private let maximumBytes: Int
  private let read: (UnsafeMutableRawBufferPointer) throws -> Int
  private var format: DocumentFormat
  private var block = [UInt8](repeating: 0, count: blockSize)
  private var buffer: [UInt8] = []  // what was read and not yet taken starts at `start`
  private var start = 0
  private var atEnd = false
  private var line = 0
  private var hasBegun = false

  /// - Parameters:
  ///   - name: what messages call the input; its extension decides where `format` is `.auto`.
  ///   - maximumBytes: of a document; a few compressed bytes may stand for more than memory holds.
  ///   - read: fills the buffer with the next bytes and returns how many; 0 at the end.
  public init(
    name: String, format: DocumentFormat, maximumBytes: Int = 1 << 30,
    read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int
  ) {
    self.name = name
    self.maximumBytes = maximumBytes
    self.read = read
    self.format = format == .auto ? DocumentFormat.ofFile(named: name) ?? .auto : format
  }

  /// The next document; nil at the end.
  /// - Throws: what `read` throws; `DocumentError` for a document of too many bytes.
  public func next() throws -> RawDocument? {
    if !hasBegun { try begin() }
    hasBegun = true
    let document = try format == .jsonl ? nextLine() : wholeText()
    if document != nil { count += 1 }
    return document
  }

  /// Skips a byte order mark and settles the format.
  private func begin() throws {
    while buffer.count < 3, try fill() {}
    if buffer.starts(with: [0xef, 0xbb, 0xbf]) { start = 3 }
    guard format == .auto else { return }
    var position = start
    while true {
      while position < buffer.count, Self.isSpace(buffer[position]) { position += 1 }
      if position < buffer.count { break }
      if try !fill() { break }
    }
    let isObject = position < buffer.count && buffer[position] == UInt8(ascii: "{")
    format = isObject ? .jsonl : .text
  }

  private func nextLine() throws -> RawDocument? {
    while true {
      guard let end = try endOfLine() else { return nil }
      let bytes = Array(buffer[start..<end])
      start = min(end + 1, buffer.count)
      line += 1
      if bytes.allSatisfy(Self.isSpace) { continue }
      return RawDocument(bytes: bytes, format: .jsonl, file: name, line: line)
    }
  }

  private func wholeText() throws -> RawDocument? {
    while try fill() {}
    if start == buffer.count { return nil }
    let bytes = start == 0 ? buffer : Array(buffer[start...])
    buffer = []
    start = 0
    return RawDocument(bytes: bytes, format: .text, file: name, line: 1)
  }

  /// The offset in `buffer` of the next line's end; nil at the end of the input.
  private func endOfLine() throws -> Int? {
    var searched = start
    while true {
      if let end = newline(from: searched) { return end }
      // Forgetting the lines already taken only here keeps a long line linear.
      searched = buffer.count - start
      buffer.removeFirst(start)
      start = 0
      if try !fill() { return buffer.isEmpty ? nil : buffer.count }
    }
  }

  private func newline(from start: Int) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard start < bytes.count, let base = bytes.baseAddress,
        let found = memchr(base + start, 0x0a, bytes.count - start)
      else { return nil }
      return UnsafeRawPointer(found) - base
    }
  }

  /// Appends one block to the buffer; false at the end of the input.
  private func fill() throws -> Bool {
    if atEnd { return false }
    guard buffer.count - start <= maximumBytes else {
      let place = format == .jsonl ? "\(name):\(line + 1)" : name
      throw DocumentError("\(place): a document of more than \(maximumBytes) bytes")
    }
    let count = try block.withUnsafeMutableBytes { try read($0) }
    buffer += block[..<count]
    atEnd = count == 0
    return !atEnd
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }
}
