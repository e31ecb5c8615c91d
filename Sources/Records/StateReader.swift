import Safetensors
import ShardIO

/// Reads a concatenation of streams of kind `states`.
public final class StateReader {
  private let reader: KindReader

  /// Of the first stream; all streams agree in all but the digests.
  public let parameters: StateParameters
  /// Of the first stream; nil where it has none.
  public let provenance: Provenance?

  /// Reads block 0.
  public convenience init(sources: [any ByteSource]) throws {
    try self.init(KindReader(sources: sources, kind: .states))
  }

  init(_ reader: KindReader) throws {
    self.reader = reader
    parameters = try StateParameters(block: reader.first)
    provenance = reader.first.provenance
  }

  public convenience init(source: any ByteSource) throws { try self.init(sources: [source]) }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { reader.digest }

  /// The next rows, nil at the end.
  ///
  /// - Parameter row: blocks that end before this row are passed over: checked as bytes, not decoded.
  public func next(reaching row: Int = 0) throws -> StateBatch? {
    while let block = try reader.next() {
      let firstRow = block.rowBase + block.firstRow
      if firstRow + block.rows > row || row == 0 {
        return StateBatch(firstRow: firstRow, rows: rows(try columns(block)))
      }
    }
    return nil
  }

  /// Checks the next rows as `next` does; false at the end.
  public func skip() throws -> Bool {
    guard let block = try reader.next() else { return false }
    _ = try columns(block)
    return true
  }

  /// What a block holds, checked.
  private struct Columns {
    let lengths: [Int]
    let kept: [UInt8]
    let keptTokens: Int
    let hidden: ShardTensor
    let keys: ShardTensor
    let values: ShardTensor
  }

  private func columns(_ block: ShardBlock) throws -> Columns {
    let lengths = try block.natural("length", .U16, as: UInt16.self).map { Int($0) }
    if let empty = lengths.firstIndex(of: 0) {
      throw block.error("length is 0 at row \(block.firstRow + empty)")
    }
    let kept = try block.natural("kept", .U8, as: UInt8.self, below: 2)
    let tokens = lengths.reduce(0, +)
    let keptTokens = zip(lengths, kept).reduce(0) { $0 + ($1.1 == 1 ? $1.0 : 0) }
    let shape = [parameters.memoryLayers.count, keptTokens, parameters.memoryWidth]
    return Columns(
      lengths: lengths, kept: kept, keptTokens: keptTokens,
      hidden: try block.finite(
        "hidden", parameters.hiddenType, shape: [tokens, parameters.hiddenSize]),
      keys: try block.finite("keys", parameters.memoryType, shape: shape),
      values: try block.finite("values", parameters.memoryType, shape: shape))
  }

  private func rows(_ columns: Columns) -> [StateRow] {
    let (lengths, kept) = (columns.lengths, columns.kept)
    var (start, keptStart) = (0, 0)
    return lengths.indices.map { index in
      let length = lengths[index]
      defer { start += length }
      let rows = slice(columns.hidden, start, length, parameters.hiddenBytes)
      guard kept[index] == 1 else { return StateRow(tokens: length, hidden: rows, memory: nil) }
      defer { keptStart += length }
      let memory = parameters.memoryLayers.indices.map { layer in
        let first = layer * columns.keptTokens + keptStart
        return StateRow.Memory(
          keys: slice(columns.keys, first, length, parameters.memoryBytes),
          values: slice(columns.values, first, length, parameters.memoryBytes))
      }
      return StateRow(tokens: length, hidden: rows, memory: memory)
    }
  }

  private func slice(_ tensor: ShardTensor, _ first: Int, _ count: Int, _ width: Int) -> [UInt8] {
    tensor.withUnsafeBytes { Array($0[first * width..<(first + count) * width]) }
  }
}
