import Safetensors
import ShardIO

/// Numbers the documents of concatenated streams on: each stream counts its own from 0.
struct DocumentNumbers {
  private var base: Int64 = 0
  private var next: Int64 = 0
  private var stream = 0

  /// Largest number that a stream may use, so that sums of many streams stay in range.
  static let limit: Int64 = 1 << 56

  mutating func begin(stream: Int) {
    if stream != self.stream {
      self.stream = stream
      base = next
    }
  }

  mutating func unique(_ document: Int64) -> Int64 {
    let number = base + document
    next = max(next, number + 1)
    return number
  }
}

/// Reads a concatenation of streams of kind `chunks`.
public final class ChunkReader {
  private let reader: KindReader
  private var documents = DocumentNumbers()
  /// Of windows, the documents that they are of.
  private var origins = DocumentNumbers()
  /// The segment being read, and its tokens so far: what a segment claims is taken as memory later.
  private var segment = (document: Int64(-1), number: Int32(-1), tokens: 0)
  /// From a stream's source numbers to those of all streams.
  private var sourceMap: [UInt8] = []

  /// What holds for all streams. `sources` grows where a later stream names further ones.
  public private(set) var parameters: ChunkParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(sources: [any ByteSource]) throws {
    try self.init(KindReader(sources: sources, kind: .chunks))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try ChunkParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// The next rows, nil at the end.
  ///
  /// - Parameter row: blocks that end before this row are passed over: checked as bytes, not decoded.
  public func next(reaching row: Int = 0) throws -> ChunkBatch? {
    while let block = try nextBlock() {
      let firstRow = block.rowBase + block.firstRow
      if firstRow + block.rows > row || row == 0 {
        return ChunkBatch(
          firstRow: firstRow, chunks: chunks(try columns(block)), stream: block.stream)
      }
      for document in try documents(block) { _ = documents.unique(document) }
      for origin in try origins(block) ?? [] { _ = origins.unique(origin) }
    }
    return nil
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool {
    guard let block = try nextBlock() else { return false }
    _ = try columns(block)
    return true
  }

  private func nextBlock() throws -> ShardBlock? {
    guard let block = try reader.next() else { return nil }
    if block.index == 0 { try begin(block) }
    return block
  }

  private func documents(_ block: ShardBlock) throws -> [Int64] {
    try block.natural("document", .I64, as: Int64.self, below: DocumentNumbers.limit)
  }

  private func origins(_ block: ShardBlock) throws -> [Int64]? {
    guard parameters.window != nil else { return nil }
    return try block.natural("origin", .I64, as: Int64.self, below: DocumentNumbers.limit)
  }

  private func begin(_ block: ShardBlock) throws {
    documents.begin(stream: block.stream)
    origins.begin(stream: block.stream)
    let own = try ChunkParameters(block: block)
    sourceMap = try own.sources.map { name in
      if let index = parameters.sources.firstIndex(of: name) { return UInt8(index) }
      guard parameters.sources.count < 256 else { throw block.error("more than 256 sources") }
      parameters.sources.append(name)
      return UInt8(parameters.sources.count - 1)
    }
    // a stream that names no sources has only source 0
    if sourceMap.isEmpty { sourceMap = [0] }
  }

  /// What a block holds, checked. Documents and origins count within the whole input.
  private struct Columns {
    let tokens: ShardTensor
    let lengths: [UInt16]
    let ordinals: [Int32]
    let segments: [Int32]
    let sources: [UInt8]
    let text: ShardTensor
    let offsets: [Int]
    var documents: [Int64]
    var origins: [Int64]?
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let text = try block.tensor("text", .U8, shape: [nil])
    var columns = Columns(
      tokens: try block.tensor(
        "tokens", .U16, .I32, shape: [block.rows, parameters.chunkTokens]),
      lengths: try block.natural("length", .U16, as: UInt16.self),
      ordinals: try block.natural("ordinal", .I32, as: Int32.self),
      segments: try block.natural("segment", .I32, as: Int32.self),
      sources: try block.natural("source", .U8, as: UInt8.self), text: text,
      offsets: try block.offsets("text_offsets", count: text.byteCount),
      documents: try documents(block), origins: try origins(block))
    for (row, count) in columns.lengths.enumerated()
    where count == 0 || count > parameters.chunkTokens {
      throw block.error(
        "length is \(count), not in 1...\(parameters.chunkTokens)", atRow: row)
    }
    for (row, source) in columns.sources.enumerated() where source >= sourceMap.count {
      throw block.error("source is \(source)", atRow: row)
    }
    try checkText(columns, block)
    try checkTokens(columns, block)
    // a packed stream is one document, wherever its texts end
    let isOne = parameters.pack == "stream"
    columns.documents = columns.documents.map { documents.unique(isOne ? 0 : $0) }
    columns.origins = columns.origins.map { $0.map { origins.unique($0) } }
    try checkSegments(columns, block)
    return columns
  }

  private func checkText(_ columns: Columns, _ block: ShardBlock) throws {
    let offsets = columns.offsets
    try columns.text.withUnsafeBytes { bytes in
      let valid = validUTF8Prefix(bytes)
      guard valid == bytes.count else { throw block.error("text is not UTF-8 at byte \(valid)") }
      for row in 0..<block.rows
      where offsets[row] < bytes.count && bytes[offsets[row]] & 0xc0 == 0x80 {
        throw block.error("text starts inside a character", atRow: row)
      }
    }
  }

  private func checkTokens(_ columns: Columns, _ block: ShardBlock) throws {
    let limit = parameters.tokenizer.vocabularySize
    // as unsigned numbers, so that a negative id is a large one
    let areWithin =
      columns.tokens.type == .I32
      ? columns.tokens.withElements(as: UInt32.self) { isBelow(UInt32(limit), $0) }
      : limit > UInt16.max
        || columns.tokens.withElements(as: UInt16.self) { isBelow(UInt16(limit), $0) }
    if areWithin { return }
    // what lies beyond a short chunk's length does not count
    let (ids, width) = (tokenRows(columns.tokens), parameters.chunkTokens)
    for row in 0..<block.rows {
      for id in ids[row * width..<row * width + Int(columns.lengths[row])]
      where id < 0 || Int(id) >= limit {
        throw block.error("token \(id) is outside the vocabulary", atRow: row)
      }
    }
  }

  /// Every segment that the rows begin or continue is within segment_tokens.
  private func checkSegments(_ columns: Columns, _ block: ShardBlock) throws {
    let (lengths, segments) = (columns.lengths, columns.segments)
    for (row, document) in columns.documents.enumerated() {
      if document != segment.document || segments[row] != segment.number {
        segment = (document, segments[row], 0)
      }
      segment.tokens += Int(lengths[row])
      guard segment.tokens <= parameters.segmentTokens else {
        throw block.error(
          "a segment has more than \(parameters.segmentTokens) tokens", atRow: row)
      }
    }
  }

  private func chunks(_ columns: Columns) -> [Chunk] {
    let (ids, width) = (tokenRows(columns.tokens), parameters.chunkTokens)
    return columns.text.withUnsafeBytes { text in
      columns.lengths.indices.map { row in
        Chunk(
          tokens: Array(ids[row * width..<row * width + Int(columns.lengths[row])]),
          document: columns.documents[row], ordinal: columns.ordinals[row],
          segment: columns.segments[row], source: sourceMap[Int(columns.sources[row])],
          origin: columns.origins?[row],
          text: Array(text[columns.offsets[row]..<columns.offsets[row + 1]]))
      }
    }
  }

  private func tokenRows(_ tokens: ShardTensor) -> [Int32] {
    if tokens.type == .I32 { return tokens.copy(as: Int32.self) }
    return tokens.withElements(as: UInt16.self) { $0.map { Int32($0) } }
  }
}
