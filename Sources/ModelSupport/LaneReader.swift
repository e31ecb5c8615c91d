import Modeling
import Records

/// Joins the chunks of a span of rows to segments: what one lane reads.
public struct LaneReader: SegmentSource {
  private let reader: ChunkReader
  private let rows: Range<Int>
  private var batch: ArraySlice<Chunk> = []
  private var nextRow = 0
  /// Decoded text of the segment that `next` gave last, chunk by chunk.
  public private(set) var texts: [[UInt8]] = []
  /// Where the segment that `next` gave last starts in its document, in tokens.
  public private(set) var position = 0
  /// Where its document is a window: the document that it is a window of.
  public private(set) var origin: Int64?
  private var documentEnd = (document: Int64(-1), tokens: 0)

  /// - Parameter rows: start at a segment's first row; what lies before them is passed over quickly.
  public init(_ reader: ChunkReader, rows: Range<Int>) {
    self.reader = reader
    self.rows = rows
  }

  public mutating func next() throws -> PlannedSegment? {
    guard let first = try peek(), nextRow < rows.upperBound else { return nil }
    if first.document != documentEnd.document { documentEnd = (first.document, 0) }
    position = documentEnd.tokens
    origin = first.origin
    texts = []
    var segment = PlannedSegment(
      firstRow: nextRow, chunkLengths: [], tokens: [], nextToken: -1,
      document: Int(first.document))
    while let chunk = try peek(), nextRow < rows.upperBound,
      chunk.document == first.document, chunk.segment == first.segment
    {
      segment.chunkLengths.append(chunk.tokens.count)
      segment.tokens += chunk.tokens
      texts.append(chunk.text)
      batch.removeFirst()
      nextRow += 1
    }
    documentEnd.tokens += segment.tokens.count
    if let following = try peek(), following.document == first.document,
      nextRow < rows.upperBound
    {
      segment.nextToken = following.tokens.first ?? -1
    }
    return segment
  }

  /// The chunk at `nextRow`, reading on as needed.
  private mutating func peek() throws -> Chunk? {
    while true {
      if let chunk = batch.first {
        guard nextRow < rows.lowerBound else { return chunk }
        let skipped = min(batch.count, rows.lowerBound - nextRow)
        batch.removeFirst(skipped)
        nextRow += skipped
        continue
      }
      guard let more = try reader.next(reaching: rows.lowerBound) else { return nil }
      batch = more.chunks[...]
      nextRow = more.firstRow
    }
  }
}
