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
    while let block = try reader.next() {
      if block.index == 0 { try begin(block) }
      let firstRow = block.rowBase + block.firstRow
      if firstRow + block.rows > row || row == 0 {
        return ChunkBatch(firstRow: firstRow, chunks: try decode(block), stream: block.stream)
      }
      for document in try documents(block) { _ = documents.unique(document) }
      for origin in try origins(block) ?? [] { _ = origins.unique(origin) }
    }
    return nil
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

  private func decode(_ block: ShardBlock) throws -> [Chunk] {
    let width = parameters.chunkTokens
    let tokens = try tokenRows(block)
    let lengths = try block.natural("length", .U16, as: UInt16.self)
    let documentNumbers = try documents(block)
    let ordinals = try block.natural("ordinal", .I32, as: Int32.self)
    let segments = try block.natural("segment", .I32, as: Int32.self)
    let sources = try block.natural("source", .U8, as: UInt8.self)
    let originNumbers = try origins(block)
    let text = try block.tensor("text", .U8, shape: [nil])
    let offsets = try block.offsets("text_offsets", count: text.byteCount)
    return try text.withUnsafeBytes { bytes in
      let valid = validUTF8Prefix(bytes)
      guard valid == bytes.count else { throw block.error("text is not UTF-8 at byte \(valid)") }
      return try (0..<block.rows).map { row in
        let failure = { (reason: String) in
          block.error("\(reason) at row \(block.firstRow + row)")
        }
        let count = Int(lengths[row])
        guard (1...width).contains(count) else {
          throw failure("length is \(count), not in 1...\(width)")
        }
        guard Int(sources[row]) < sourceMap.count else {
          throw failure("source is \(sources[row])")
        }
        let ids = Array(tokens[row * width..<row * width + count])
        for id in ids where id < 0 || Int(id) >= parameters.tokenizer.vocabularySize {
          throw failure("token \(id) is outside the vocabulary")
        }
        let range = offsets[row]..<offsets[row + 1]
        if range.lowerBound < bytes.count, bytes[range.lowerBound] & 0xc0 == 0x80 {
          throw failure("text starts inside a character")
        }
        // a packed stream is one document, wherever its texts end
        let number = parameters.pack == "stream" ? 0 : documentNumbers[row]
        let chunk = Chunk(
          tokens: ids, document: documents.unique(number), ordinal: ordinals[row],
          segment: segments[row], source: sourceMap[Int(sources[row])],
          origin: originNumbers.map { origins.unique($0[row]) }, text: Array(bytes[range]))
        guard fits(chunk) else {
          throw failure("a segment has more than \(parameters.segmentTokens) tokens")
        }
        return chunk
      }
    }
  }

  /// Whether the segment that `chunk` begins or continues is within segment_tokens.
  private func fits(_ chunk: Chunk) -> Bool {
    if chunk.document != segment.document || chunk.segment != segment.number {
      segment = (chunk.document, chunk.segment, 0)
    }
    segment.tokens += chunk.tokens.count
    return segment.tokens <= parameters.segmentTokens
  }

  private func tokenRows(_ block: ShardBlock) throws -> [Int32] {
    let tokens = try block.tensor(
      "tokens", .U16, .I32, shape: [block.rows, parameters.chunkTokens])
    if tokens.type == .I32 { return tokens.copy(as: Int32.self) }
    return tokens.copy(as: UInt16.self).map { Int32($0) }
  }
}
