import Embedding
import Modeling

/// A text cut into segments of chunks: what a model reads into its memory before a prompt.
public struct RecallDocument: Sendable {
  public let tokens: [Int32]
  /// Chunk rows count from 0; the last chunk and the last segment may be shorter.
  public let segments: [PlannedSegment]

  public init(tokens: [Int32], segmentTokens: Int, chunkTokens: Int) {
    precondition(segmentTokens >= chunkTokens && chunkTokens >= 1)
    self.tokens = tokens
    var row = 0
    segments = stride(from: 0, to: tokens.count, by: segmentTokens).map { start in
      let own = Array(tokens[start..<min(start + segmentTokens, tokens.count)])
      let lengths = stride(from: 0, to: own.count, by: chunkTokens).map {
        min(chunkTokens, own.count - $0)
      }
      defer { row += lengths.count }
      return PlannedSegment(
        firstRow: row, chunkLengths: lengths, tokens: own, nextToken: -1, document: 0)
    }
  }

  /// The rows of the chunks that hold any of `tokens`, where segments are whole chunks.
  public static func rows(holding tokens: Range<Int>, chunkTokens: Int) -> Range<Int> {
    tokens.lowerBound / chunkTokens..<(tokens.upperBound + chunkTokens - 1) / chunkTokens
  }

  /// A prompt that follows the document, as the plan's last segment.
  public func prompt(_ tokens: [Int32]) -> PlannedSegment {
    let rows = segments.last.map { $0.firstRow + $0.chunkLengths.count } ?? 0
    return PlannedSegment(
      firstRow: rows, chunkLengths: [tokens.count], tokens: tokens, nextToken: -1, document: 0)
  }

  /// What retrieval sees of the segments and of the prompt after them.
  ///
  /// - Parameters:
  ///   - query: what a segment asks for: its own last tokens (`current`, as published) or those
  ///     before it. The prompt always asks for itself: it is given and not predicted.
  ///   - queryTokens: the most tokens of a query.
  ///   - decode: ids to UTF-8.
  public func texts(
    query: QueryProtocol, queryTokens: Int, prompt: [Int32],
    decode: (ArraySlice<Int32>) -> [UInt8]
  ) -> [SegmentText] {
    var start = 0
    var texts = segments.map { segment in
      let end = start + segment.tokens.count
      defer { start = end }
      var chunk = start
      let chunks = segment.chunkLengths.map { length in
        defer { chunk += length }
        return decode(tokens[chunk..<chunk + length])
      }
      let asked: ArraySlice<Int32> =
        switch query {
        case .current: tokens[start..<end]
        case .previous: tokens[..<start]
        case .none: []
        }
      return SegmentText(chunks: chunks, query: decode(asked.suffix(queryTokens)))
    }
    // The prompt's own text never enters the memory.
    texts.append(SegmentText(chunks: [[]], query: decode(prompt[...].suffix(queryTokens))))
    return texts
  }
}
