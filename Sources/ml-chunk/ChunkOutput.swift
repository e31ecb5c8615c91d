import Chunking
import Records
import ShardIO
import Tokenization
import ToolSupport

/// One shard that is being written. Block 0 waits for the sources and the input's digest, which
/// only the end of the input tells; so an error leaves no partial output on a pipe either.
final class ChunkOutput {
  private let file: OutputFile
  private let writer: ChunkWriter
  private let tokenizer: any Tokenizer
  private let threads: Int
  private var packer: any DocumentPacker
  /// Chunks whose text is still to be made, and their tokens.
  private var pending: [PackedChunk] = []
  private var pendingTokens = 0
  private(set) var documents = 0

  /// Tokens that wait for their text: some megabytes of it, so that every thread has a share.
  private static let pendingLimit = 1 << 19
  /// Chunks that a thread takes at a time.
  private static let grain = 64

  var rows: Int { writer.rows + pending.count }

  init(_ options: MLChunk, _ path: String?, _ tokenizer: any Tokenizer) throws {
    file = try OutputFile(path)
    self.tokenizer = tokenizer
    threads = options.common.threadCount
    let (packer, parameters) = try options.packer(tokenizer)
    self.packer = packer
    writer = ChunkWriter(
      sink: file, parameters: parameters,
      provenance: options.common.provenance(
        inputs: options.inputs, omitting: ["--holdout-output"]),
      defersFirstBlock: true, threads: threads > 1 ? threads : 0)
  }

  func append(_ document: NumberedDocument) throws {
    documents += 1
    try packer.append(document.ids, source: document.source, to: add)
  }

  func finish(sources: [String], input: Digest) throws {
    try packer.finish(to: add)
    try flush()
    try writer.finish(sources: sources, inputs: [input])
    try file.commit()
  }

  private func add(_ chunk: PackedChunk) throws {
    pending.append(chunk)
    pendingTokens += chunk.tokens.count
    if pendingTokens >= Self.pendingLimit { try flush() }
  }

  /// Writes the pending chunks.
  private func flush() throws {
    let (chunks, tokenizer, grain) = (pending, tokenizer, Self.grain)
    let runs = parallelMap((chunks.count + grain - 1) / grain, threads: threads) { run in
      chunks[run * grain..<min((run + 1) * grain, chunks.count)].map { $0.record(tokenizer) }
    }
    for record in runs.joined() { try writer.append(record) }
    pending.removeAll(keepingCapacity: true)
    pendingTokens = 0
  }
}

extension PackedChunk {
  /// The chunk with its text.
  fileprivate func record(_ tokenizer: any Tokenizer) -> Chunk {
    var text = tokenizer.decodeText(tokens, skippingSpecialTokens: true)
    // Only a document's first chunk has the space that the tokenizer put before the document.
    if tokenizer.addsLeadingSpace && ordinal == 0 && text.first == 0x20 { text.removeFirst() }
    return Chunk(
      tokens: tokens, document: document, ordinal: ordinal, segment: segment, source: source,
      origin: origin, text: text)
  }
}
