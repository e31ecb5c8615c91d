import Safetensors

/// Reads a shard, which is a concatenation of streams, block after block. Everything the format
/// promises is checked on the way; memory is about one block.
public final class ShardReader {
  private let sources: [any ByteSource]
  private var nextSource = 0
  private var sourceStartsStream = 0
  private var frames: Ahead<FrameReader.Frame>?
  private let readsAhead: Bool

  private var isInStream = false
  private var isFinished = false
  private var blocks = 0
  private var rows = 0
  private let hash = DigestState()
  private var parameters: [String: String] = [:]
  private var provenance: Provenance?

  /// The kind of all blocks; nil before the first.
  public private(set) var kind: String?
  /// The streams begun so far, and the rows of those that have ended.
  public private(set) var streams = 0
  public private(set) var rowBase = 0
  /// The hashes of the streams that have ended, in order.
  public private(set) var streamDigests: [Digest] = []

  public convenience init(source: any ByteSource) { self.init(sources: [source]) }

  /// Several sources read as one concatenation; each must hold whole streams.
  ///
  /// - Parameter readsAhead: decompresses the next block on another thread while this one is in use;
  ///   takes the memory of one block more.
  public init(sources: [any ByteSource], readsAhead: Bool = false) {
    precondition(!sources.isEmpty)
    self.sources = sources
    self.readsAhead = readsAhead
  }

  /// The hash that names the whole input; complete once `next` has returned nil.
  public var digest: Digest { Digest.combining(streamDigests) }

  /// Blocks of the stream being read, or of the last one.
  public var blocksInStream: Int { blocks }

  /// The next block; nil only at the true end of the input, after a good END.
  /// - Throws: `ShardError`, or what a source throws
  public func next() throws -> ShardBlock? {
    guard !isFinished else { return nil }
    do {
      return try nextBlock()
    } catch let failure as FrameFailure {
      isFinished = true
      throw located(failure.error, isInBlock: failure.isInBlock)
    } catch let error as ShardError {
      isFinished = true
      throw located(error, isInBlock: false)
    }
  }

  /// Adds where the reader stands to an error that does not know it.
  private func located(_ error: ShardError, isInBlock: Bool) -> ShardError {
    var error = error
    if isInStream {
      error.stream = streams - 1 - sourceStartsStream
      (error.block, error.row) = (blocks, rows)
    } else {
      error.stream = streams - sourceStartsStream
      if isInBlock { (error.block, error.row) = (0, 0) }
    }
    return sourceName.map(error.inFile) ?? error
  }

  private var sourceName: String? { nextSource > 0 ? sources[nextSource - 1].name : nil }

  private func nextBlock() throws -> ShardBlock? {
    while true {
      guard let frames else {
        guard nextSource < sources.count else {
          isFinished = true
          return nil
        }
        frames = ahead(FrameReader(source: sources[nextSource]))
        nextSource += 1
        sourceStartsStream = streams
        continue
      }
      switch try frames.next() {
      case nil:
        guard !isInStream else { throw ShardError("truncated: END is missing") }
        guard streams > sourceStartsStream else { throw ShardError("empty: no block, no END") }
        self.frames = nil
      case .block(let storage, let header)?: return try block(storage, header)
      case .end(let payload)?: try end(payload)
      case .unknown?:
        if isInStream { throw ShardError("no frame where one is expected") }
        throw ShardError(
          streams > sourceStartsStream ? "garbage after END" : "these bytes are no shard")
      }
    }
  }

  private func ahead(_ reader: FrameReader) -> Ahead<FrameReader.Frame> {
    Ahead(isOn: readsAhead) {
      do { return try reader.next() } catch let error as ShardError {
        throw FrameFailure(error: error, isInBlock: reader.isInBlock)
      }
    }
  }

  private func block(_ storage: BlockStorage, _ header: SafetensorsHeader) throws -> ShardBlock {
    if !isInStream {
      isInStream = true
      streams += 1
      (blocks, rows) = (0, 0)
      hash.reset()
    }
    let count = try check(header.metadata)
    if blocks == 0 { try readParameters(header.metadata) }
    let data = storage.bytes[header.dataOffset...]
    hash.update(UnsafeRawBufferPointer(rebasing: data))
    let tensors = header.tensors.map { entry in
      let range = entry.range.lowerBound + header.dataOffset
      return ShardTensor(
        name: entry.name, type: entry.type, shape: entry.shape, storage: storage,
        range: range..<range + entry.range.count)
    }
    let block = ShardBlock(
      kind: kind ?? "", index: blocks, stream: streams - 1, firstRow: rows, rowBase: rowBase,
      rows: count, parameters: parameters, provenance: provenance, path: sourceName,
      streamInFile: streams - 1 - sourceStartsStream,
      tensors: Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    blocks += 1
    rows += count
    return block
  }

  /// Checks what the container itself says of a block.
  /// - Returns: its rows
  private func check(_ metadata: [String: String]) throws -> Int {
    guard let format = metadata["format"] else { throw ShardError("a block without a format") }
    guard format == Container.format else {
      throw ShardError("format \(quoted(format)), where \(Container.format) is expected")
    }
    guard let kind = metadata["kind"] else { throw ShardError("a block without a kind") }
    if let expected = self.kind, kind != expected {
      throw ShardError("expected \(quoted(expected)), found \(quoted(kind))")
    }
    guard try number("block", metadata) == blocks else {
      throw ShardError("block number \(metadata["block"] ?? ""), where \(blocks) is expected")
    }
    guard try number("first_row", metadata) == rows else {
      throw ShardError("first row \(metadata["first_row"] ?? ""), where \(rows) is expected")
    }
    let count = try number("rows", metadata)
    let (total, overflows) = (rowBase + rows).addingReportingOverflow(count)
    guard !overflows, total < 1 << 48 else { throw ShardError("too many rows: \(count)") }
    self.kind = kind
    return count
  }

  private func number(_ key: String, _ metadata: [String: String]) throws -> Int {
    guard let text = metadata[key] else { throw ShardError("a block without \(key)") }
    guard let number = Int(text), number >= 0, String(number) == text else {
      throw ShardError("\(key) is \(quoted(text)), not a number")
    }
    return number
  }

  private func readParameters(_ metadata: [String: String]) throws {
    provenance = nil
    if let text = metadata["provenance"] {
      guard let parsed = Provenance(parsing: text) else {
        throw ShardError("the provenance is no list of tools")
      }
      provenance = parsed
    }
    parameters = metadata.filter { !Container.reservedKeys.contains($0.key) }
  }

  private func end(_ payload: [UInt8]) throws {
    guard isInStream else { throw ShardError("END without a block") }
    let (endBlocks, endRows) = payload.withUnsafeBytes {
      (
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
      )
    }
    guard endBlocks == UInt64(blocks) else {
      throw ShardError("END counts \(endBlocks) blocks, where \(blocks) were read")
    }
    guard endRows == UInt64(rows) else {
      throw ShardError("END counts \(endRows) rows, where \(rows) were read")
    }
    guard payload[24..<40].elementsEqual(hash.digest.bytes) else {
      throw ShardError("END's hash does not match the data")
    }
    streamDigests.append(hash.digest)
    rowBase += rows
    isInStream = false
  }
}

/// What went wrong with a frame, and whether it is a block.
private struct FrameFailure: Error {
  let error: ShardError
  let isInBlock: Bool
}

/// Text from a file as a message shows it: short, on one line.
func quoted(_ text: String) -> String {
  let shown = text.unicodeScalars.prefix(40).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }
  return String(String.UnicodeScalarView(shown)) + (text.unicodeScalars.count > 40 ? "…" : "")
}
