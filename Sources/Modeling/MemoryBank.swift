/// Chunks by row, kept only while a later retrieval block of the plan still reads them (DESIGN §1.1).
public struct MemoryBank: Sendable {
  private var chunks: [Int: MemoryChunk] = [:]
  /// Rows to drop once the block that starts at the key has been computed.
  private var expiring: [Int: [Int]] = [:]
  public private(set) var peakChunks = 0

  public init() {}

  /// A chunk with what the bank knows of it.
  public struct Entry: Sendable {
    public var row: Int
    /// The first row of the last block that reads it.
    public var lastUse: Int
    public var chunk: MemoryChunk

    public init(row: Int, lastUse: Int, chunk: MemoryChunk) {
      self.row = row
      self.lastUse = lastUse
      self.chunk = chunk
    }
  }

  /// What the bank holds, by row.
  public var entries: [Entry] {
    expiring.flatMap { lastUse, rows in
      rows.compactMap { row in chunks[row].map { Entry(row: row, lastUse: lastUse, chunk: $0) } }
    }.sorted { $0.row < $1.row }
  }

  /// A bank that goes on where another one stood.
  public init(entries: [Entry], peakChunks: Int = 0) {
    for entry in entries { insert(entry.chunk, row: entry.row, lastUse: entry.lastUse) }
    self.peakChunks = max(self.peakChunks, peakChunks)
  }

  public var count: Int { chunks.count }

  public subscript(row: Int) -> MemoryChunk? { chunks[row] }

  /// Keeps `chunk` until the block that starts at row `lastUse` is done.
  public mutating func insert(_ chunk: MemoryChunk, row: Int, lastUse: Int) {
    chunks[row] = chunk
    expiring[lastUse, default: []].append(row)
    peakChunks = max(peakChunks, chunks.count)
  }

  /// Forgets the chunks whose last reader was the block that starts at `row`.
  public mutating func finish(block row: Int) {
    for expired in expiring.removeValue(forKey: row) ?? [] {
      chunks.removeValue(forKey: expired)
    }
  }
}
