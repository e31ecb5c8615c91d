/// Consecutive chunks as they are read from a shard.
public struct KeyBatch: Sendable {
  /// [n, dimension]
  public var keys: [Float]
  /// [n]; nil: each stream is one document.
  public var documents: [Int64]?
  /// [n]; nil: a segment begins wherever a block does.
  public var segments: [Int32]?
  /// [q] rows that begin a block, ascending, counted like `MemoryPlanner.nextRow`.
  public var queryRows: [Int]
  /// [q, dimension]
  public var queries: [Float]
  /// Number of the stream that the chunks come from.
  public var stream: Int

  public init(
    keys: [Float], documents: [Int64]?, segments: [Int32]?, queryRows: [Int], queries: [Float],
    stream: Int
  ) {
    self.keys = keys
    self.documents = documents
    self.segments = segments
    self.queryRows = queryRows
    self.queries = queries
    self.stream = stream
  }
}

extension MemoryPlanner {
  /// Appends the chunks of a batch.
  ///
  /// - Throws: `IndexingError` where a query row lies outside the batch; what `append` throws.
  public func append(_ batch: KeyBatch) throws {
    precondition(batch.keys.count % dimension == 0)
    precondition(batch.queries.count == batch.queryRows.count * dimension)
    let rows = nextRow..<(nextRow + batch.keys.count / dimension)
    precondition((batch.documents?.count ?? rows.count) == rows.count)
    precondition((batch.segments?.count ?? rows.count) == rows.count)
    var nextQuery = 0
    try batch.keys.withUnsafeBufferPointer { keys in
      try batch.queries.withUnsafeBufferPointer { queries in
        for index in 0..<rows.count {
          var query: UnsafeBufferPointer<Float>?
          if nextQuery < batch.queryRows.count, batch.queryRows[nextQuery] == nextRow {
            query = slice(queries, nextQuery)
            nextQuery += 1
          }
          let segment = batch.segments.map { Int64($0[index]) }
          try append(
            key: slice(keys, index), query: query, document: batch.documents?[index] ?? 0,
            segment: segment ?? segmentByBlock(beginsBlock: query != nil), stream: batch.stream)
        }
      }
    }
    guard nextQuery == batch.queryRows.count else {
      throw IndexingError(
        "a block begins at row \(batch.queryRows[nextQuery]), "
          + "out of order or outside rows \(rows.lowerBound) to \(rows.upperBound)")
    }
  }

  private func slice(
    _ vectors: UnsafeBufferPointer<Float>, _ index: Int
  ) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(rebasing: vectors[index * dimension..<(index + 1) * dimension])
  }

  private func segmentByBlock(beginsBlock: Bool) -> Int64 {
    Int64(blocksBegun + (beginsBlock ? 1 : 0))
  }
}
