import Modeling
import Records
import ShardIO

/// What one reading of a chunk shard tells before any model runs.
public struct ChunkCensus: Sendable {
  /// A document's rows, and the numbers of its tokens and segments.
  public struct Document: Sendable {
    /// The stream of the concatenation that it stands in.
    public var stream: Int
    public var rows: Range<Int>
    public var tokens: Int
    public var segments: Int
  }

  public let parameters: ChunkParameters
  public let provenance: Provenance?
  public let digest: Digest
  public let documents: [Document]
  /// Tokens of the longest segment.
  public let longestSegment: Int

  public var streams: Int { Set(documents.map(\.stream)).count }
  public var rows: Int { documents.last?.rows.upperBound ?? 0 }
  public var tokens: Int { documents.reduce(0) { $0 + $1.tokens } }
  /// Tokens of the longest document.
  public var longestDocument: Int { documents.map(\.tokens).max() ?? 0 }
  public var segments: Int { documents.reduce(0) { $0 + $1.segments } }

  /// Reads the shard to its end, which also checks it.
  public init(_ reader: ChunkReader) throws {
    var documents: [Document] = []
    var longest = 0
    var current = (document: Int64(-1), segment: Int32(-1), tokens: 0)
    while let batch = try reader.next() {
      for (index, chunk) in batch.chunks.enumerated() {
        let row = batch.firstRow + index
        if documents.isEmpty || chunk.document != current.document {
          documents.append(Document(stream: batch.stream, rows: row..<row, tokens: 0, segments: 0))
          current = (chunk.document, -1, 0)
        }
        if chunk.segment != current.segment {
          documents[documents.count - 1].segments += 1
          current = (chunk.document, chunk.segment, 0)
        }
        let start = documents[documents.count - 1].rows.lowerBound
        documents[documents.count - 1].rows = start..<row + 1
        documents[documents.count - 1].tokens += chunk.tokens.count
        current.tokens += chunk.tokens.count
        longest = max(longest, current.tokens)
      }
    }
    parameters = reader.parameters
    provenance = reader.provenance
    digest = reader.digest
    self.documents = documents
    longestSegment = longest
  }

  /// Cuts the documents into `count` contiguous runs of about equal numbers of segments.
  ///
  /// A run may be empty where there are fewer documents than lanes.
  ///
  /// - Parameter keepsStreams: cuts between streams only, for a memory that spans a whole stream.
  public func lanes(_ count: Int, keepsStreams: Bool = false) -> [Range<Int>] {
    let units = keepsStreams ? streamUnits() : documents
    let total = segments
    var result: [Range<Int>] = []
    var (position, seen, start) = (0, 0, 0)
    for lane in 1...count {
      let share = total * lane / count
      // A unit goes to the lane that its middle falls in.
      while position < units.count,
        lane == count || 2 * seen + units[position].segments <= 2 * share
      {
        seen += units[position].segments
        position += 1
      }
      let end = position > 0 ? units[position - 1].rows.upperBound : 0
      result.append(start..<end)
      start = end
    }
    return result
  }

  /// The documents of each stream taken as one.
  private func streamUnits() -> [Document] {
    documents.reduce(into: []) { units, document in
      if let last = units.last, last.stream == document.stream {
        units[units.count - 1].rows = last.rows.lowerBound..<document.rows.upperBound
        units[units.count - 1].tokens += document.tokens
        units[units.count - 1].segments += document.segments
      } else {
        units.append(document)
      }
    }
  }
}
