import Safetensors
import ShardIO

/// Writes one stream of kind `chunks`.
public final class ChunkWriter {
  private let writer: ShardWriter
  private let parameters: ChunkParameters
  private let isWide: Bool
  private var isStarted = false

  private var tokens: [Int32] = []
  private var lengths: [UInt16] = []
  private var documents: [Int64] = []
  private var ordinals: [Int32] = []
  private var segments: [Int32] = []
  private var sources: [UInt8] = []
  private var origins: [Int64] = []
  private var textOffsets: [Int64] = [0]
  private var text: [UInt8] = []

  /// - Parameters:
  ///   - defersFirstBlock: `sources` may then be given to `finish`
  ///   - threads: as for `ShardWriter`
  public init(
    sink: any ByteSink, parameters: ChunkParameters, provenance: Provenance?,
    compressionLevel: Int = Kind.chunks.compressionLevel, defersFirstBlock: Bool = false,
    threads: Int = 0
  ) {
    precondition((1...Int(UInt16.max)).contains(parameters.chunkTokens), "chunk tokens")
    self.parameters = parameters
    isWide = parameters.tokenizer.vocabularySize > 1 << 16
    writer = ShardWriter(
      sink: sink, kind: Kind.chunks.rawValue, parameters: parameters.encoded,
      provenance: provenance, compressionLevel: compressionLevel,
      defersFirstBlock: defersFirstBlock, threads: threads)
  }

  /// Rows appended so far.
  public var rows: Int { writer.rows + lengths.count }

  /// Appends one row. Text that is not UTF-8 is repaired with U+FFFD.
  public func append(_ chunk: Chunk) throws {
    let width = parameters.chunkTokens
    precondition(chunk.tokens.count <= width, "\(chunk.tokens.count) tokens in a chunk")
    let limit = parameters.tokenizer.vocabularySize
    for token in chunk.tokens where token < 0 || Int(token) >= limit {
      throw ShardError("token \(token) is outside the vocabulary of \(limit)")
    }
    if pendingBytes >= blockTarget { try flush() }
    tokens += chunk.tokens
    tokens += repeatElement(0, count: width - chunk.tokens.count)
    lengths.append(UInt16(chunk.tokens.count))
    documents.append(chunk.document)
    ordinals.append(chunk.ordinal)
    segments.append(chunk.segment)
    sources.append(chunk.source)
    if parameters.window != nil { origins.append(chunk.origin ?? 0) }
    text += repaired(chunk.text)
    textOffsets.append(Int64(text.count))
  }

  /// Ends the stream.
  /// - Parameters:
  ///   - sources: all names of sources, with a deferred first block
  ///   - inputs: digests for the provenance, with a deferred first block
  @discardableResult
  public func finish(sources names: [String]? = nil, inputs: [Digest] = []) throws -> Digest {
    if !lengths.isEmpty || !isStarted { try flush() }
    let added = names.map { ["sources": JSONValue.array($0.map { .string($0) }).encoded] }
    return try writer.finish(addingParameters: added ?? [:], inputs: inputs)
  }

  private var pendingBytes: Int {
    tokens.count * (isWide ? 4 : 2) + lengths.count * (2 + 8 + 4 + 4 + 1 + 8) + origins.count * 8
      + text.count
  }

  private func flush() throws {
    let rows = lengths.count
    let shape = [rows, parameters.chunkTokens]
    let ids =
      isWide
      ? NamedTensor("tokens", .I32, shape, tokens)
      : NamedTensor("tokens", .U16, shape, tokens.map { UInt16(truncatingIfNeeded: $0) })
    let windowed = parameters.window == nil ? [] : [NamedTensor("origin", .I64, [rows], origins)]
    try writer.append(
      rows: rows,
      tensors: [
        ids,
        NamedTensor("length", .U16, [rows], lengths),
        NamedTensor("document", .I64, [rows], documents),
        NamedTensor("ordinal", .I32, [rows], ordinals),
        NamedTensor("segment", .I32, [rows], segments),
        NamedTensor("source", .U8, [rows], sources),
        NamedTensor("text_offsets", .I64, [rows + 1], textOffsets),
        NamedTensor("text", .U8, [text.count], text),
      ] + windowed)
    isStarted = true
    tokens.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    documents.removeAll(keepingCapacity: true)
    ordinals.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
    origins.removeAll(keepingCapacity: true)
    textOffsets = [0]
    text.removeAll(keepingCapacity: true)
  }
}
