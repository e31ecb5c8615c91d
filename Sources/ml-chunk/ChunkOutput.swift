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
  private var packer: ChunkPacker
  private(set) var documents = 0

  var rows: Int { writer.rows }

  init(_ options: MLChunk, _ path: String?, _ tokenizer: any Tokenizer) throws {
    file = try OutputFile(path)
    self.tokenizer = tokenizer
    let identity = tokenizer.identity
    writer = ChunkWriter(
      sink: file,
      parameters: ChunkParameters(
        chunkTokens: options.chunkTokens, segmentTokens: options.segmentTokens,
        pack: options.pack.rawValue, sources: [],
        tokenizer: TokenizerIdentity(
          name: identity.name, vocabularySize: identity.vocabularySize, digest: identity.digest)),
      provenance: options.common.provenance(
        inputs: options.inputs, omitting: ["--holdout-output"]),
      defersFirstBlock: true)
    packer = ChunkPacker(
      chunkTokens: options.chunkTokens, segmentTokens: options.segmentTokens,
      packing: options.pack,
      separator: options.separator == .eos ? tokenizer.endOfSequence : nil)
  }

  func append(_ document: NumberedDocument) throws {
    documents += 1
    try packer.append(document.ids, source: document.source, to: write)
  }

  func finish(sources: [String], input: Digest) throws {
    try packer.finish(to: write)
    try writer.finish(sources: sources, inputs: [input])
    try file.commit()
  }

  private func write(_ chunk: PackedChunk) throws {
    var text = tokenizer.decodeText(chunk.tokens, skippingSpecialTokens: true)
    // Only a document's first chunk has the space that the tokenizer put before the document.
    if tokenizer.addsLeadingSpace && chunk.ordinal == 0 && text.first == 0x20 {
      text.removeFirst()
    }
    try writer.append(
      Chunk(
        tokens: chunk.tokens, document: chunk.document, ordinal: chunk.ordinal,
        segment: chunk.segment, source: chunk.source,
        text: text))
  }
}
