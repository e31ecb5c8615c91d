import Safetensors
import ShardIO

/// Reads a concatenation of streams of kind `plan`.
public final class PlanReader {
  private let reader: KindReader
  private var chunksDigests: [Digest] = []
  private var embeddingsDigests: [Digest] = []
  private var chunkBase: Int64 = 0
  /// Chunk rows of the stream being read; nil where it does not say.
  private var chunkRows: Int?
  private var lastRow: Int64 = -1

  /// Of the first stream; all streams agree in all but the digests and `chunkRows`.
  public let parameters: PlanParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(sources: [any ByteSource]) throws {
    try self.init(KindReader(sources: sources, kind: .plan))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try PlanParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// What the whole input was made from; complete once `next` has returned nil.
  public var chunksDigest: Digest { Digest.combining(chunksDigests) }
  public var embeddingsDigest: Digest { Digest.combining(embeddingsDigests) }

  /// The next rows, nil at the end.
  public func next() throws -> PlanBatch? {
    try nextColumns().map { block, columns in
      PlanBatch(rows: (0..<block.rows).map { row($0, columns) }, stream: block.stream)
    }
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool { try nextColumns() != nil }

  private func nextColumns() throws -> (block: ShardBlock, Columns)? {
    guard let block = try reader.next() else { return nil }
    if block.index == 0 { try begin(block) }
    return (block, try columns(block))
  }

  /// What a block holds, checked.
  private struct Columns {
    let starts: [Int64]
    let neighbours: [Int64]
    let scores: [Float]
    let live: [Int32]
    let evicted: [Int64]
    let offsets: [Int]
    /// Neighbours of each row: the slots before the first −1.
    var found: [Int] = []
  }

  private func begin(_ block: ShardBlock) throws {
    if block.stream > 0 {
      guard let chunkRows else {
        throw block.error("the stream before does not say its chunk_rows")
      }
      chunkBase += Int64(chunkRows)
      guard chunkBase < 1 << 56 else { throw block.error("too many chunk rows") }
    }
    chunkRows = try block.optionalInteger("chunk_rows", in: 0...1 << 48)
    chunksDigests.append(try block.digest("chunks_digest"))
    embeddingsDigests.append(try block.digest("embeddings_digest"))
    lastRow = -1
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let width = parameters.topK
    let limit = Int64(chunkRows ?? 1 << 48)
    let evicted = try block.tensor("evicted", .I64, shape: [nil]).copy(as: Int64.self)
    var columns = Columns(
      starts: try block.natural("row", .I64, as: Int64.self, below: limit),
      neighbours: try block.tensor("neighbours", .I64, shape: [block.rows, width])
        .copy(as: Int64.self),
      scores: try block.tensor("scores", .F32, shape: [block.rows, width]).copy(as: Float.self),
      live: try block.natural("live", .I32, as: Int32.self), evicted: evicted,
      offsets: try block.offsets("evicted_offsets", count: evicted.count))
    columns.found.reserveCapacity(block.rows)
    for index in 0..<block.rows {
      let failure = { (reason: String) in
        block.error("\(reason) at row \(block.firstRow + index)")
      }
      let start = columns.starts[index]
      guard start > lastRow else { throw failure("chunk row \(start) falls back") }
      lastRow = start
      guard let found = neighbourCount(columns.neighbours, index * width, before: start) else {
        throw failure("neighbours are not earlier chunks in time order")
      }
      guard found <= columns.live[index] else {
        throw failure("\(found) neighbours of \(columns.live[index]) live chunks")
      }
      for row in columns.evicted[columns.offsets[index]..<columns.offsets[index + 1]]
      where row < 0 || row >= limit {
        throw failure("an evicted row is outside the chunks")
      }
      for slot in index * width..<index * width + found where !columns.scores[slot].isFinite {
        throw failure("a score is not finite")
      }
      columns.found.append(found)
    }
    return columns
  }

  /// How many of the slots from `first` on hold rows; nil unless these rise from 0 on to below
  /// `start`, and nothing but −1 follows.
  private func neighbourCount(_ slots: [Int64], _ first: Int, before start: Int64) -> Int? {
    var (count, last) = (0, Int64(-1))
    while count < parameters.topK, slots[first + count] > last {
      last = slots[first + count]
      count += 1
    }
    guard last < start else { return nil }
    for slot in first + count..<first + parameters.topK where slots[slot] != -1 { return nil }
    return count
  }

  private func row(_ index: Int, _ columns: Columns) -> PlanRow {
    let slots = index * parameters.topK..<index * parameters.topK + columns.found[index]
    let gone = columns.offsets[index]..<columns.offsets[index + 1]
    return PlanRow(
      row: columns.starts[index] + chunkBase,
      neighbours: columns.neighbours[slots].map { $0 + chunkBase },
      scores: Array(columns.scores[slots]), live: columns.live[index],
      evicted: columns.evicted[gone].map { $0 + chunkBase })
  }
}
