import Safetensors
import ShardIO

/// Which tokenizer made token ids. Models are compared by `vocabularySize` and `digest`.
public struct TokenizerIdentity: Equatable, Sendable {
  public var name: String
  public var vocabularySize: Int
  /// Hexadecimal.
  public var digest: String

  public init(name: String, vocabularySize: Int, digest: String) {
    self.name = name
    self.vocabularySize = vocabularySize
    self.digest = digest
  }
}

/// What holds for all chunks of a stream.
public struct ChunkParameters: Equatable, Sendable {
  /// Tokens in a full chunk, 1…65535.
  public var chunkTokens: Int
  /// Tokens in a full segment.
  public var segmentTokens: Int
  /// `document` (no chunk crosses a document) or `stream`.
  public var pack: String
  /// The names that `Chunk.source` counts, at most 256.
  public var sources: [String]
  public var tokenizer: TokenizerIdentity

  public init(
    chunkTokens: Int, segmentTokens: Int, pack: String, sources: [String],
    tokenizer: TokenizerIdentity
  ) {
    self.chunkTokens = chunkTokens
    self.segmentTokens = segmentTokens
    self.pack = pack
    self.sources = sources
    self.tokenizer = tokenizer
  }

  var encoded: [String: String] {
    [
      "chunk_tokens": String(chunkTokens), "segment_tokens": String(segmentTokens), "pack": pack,
      "sources": JSONValue.array(sources.map { .string($0) }).encoded,
      "tokenizer": JSONValue.object([
        "name": .string(tokenizer.name),
        "vocabulary_size": .integer(Int64(tokenizer.vocabularySize)),
        "digest": .string(tokenizer.digest),
      ]).encoded,
    ]
  }

  init(block: ShardBlock) throws {
    chunkTokens = try block.integer("chunk_tokens", in: 1...Int(UInt16.max))
    segmentTokens = try block.integer("segment_tokens", in: 1...Int(Int32.max))
    guard segmentTokens.isMultiple(of: chunkTokens) else {
      throw block.error(
        "segment_tokens is \(segmentTokens), no multiple of chunk_tokens \(chunkTokens)")
    }
    pack = try block.string("pack", among: ["document", "stream"])
    let names = try block.json("sources").arrayValue
    guard let names, names.count <= 256 else { throw block.error("parameter sources is no list") }
    sources = try names.map {
      guard let name = $0.stringValue else { throw block.error("a source is not a text") }
      return name
    }
    let identity = try block.json("tokenizer")
    guard let name = identity["name"]?.stringValue, let digest = identity["digest"]?.stringValue,
      let size = identity["vocabulary_size"]?.intValue, size > 0, size <= Int(Int32.max)
    else { throw block.error("parameter tokenizer names no tokenizer") }
    tokenizer = TokenizerIdentity(name: name, vocabularySize: size, digest: digest)
  }
}

/// One row of kind `chunks`.
public struct Chunk: Equatable, Sendable {
  /// The valid tokens, at most `chunkTokens`.
  public var tokens: [Int32]
  /// The document; a packed stream is one document.
  public var document: Int64
  /// The chunk's number in its document, and its segment's.
  public var ordinal: Int32
  public var segment: Int32
  /// An index into `sources`.
  public var source: UInt8
  /// The chunk decoded, UTF-8.
  public var text: [UInt8]

  public init(
    tokens: [Int32], document: Int64, ordinal: Int32, segment: Int32, source: UInt8, text: [UInt8]
  ) {
    self.tokens = tokens
    self.document = document
    self.ordinal = ordinal
    self.segment = segment
    self.source = source
    self.text = text
  }
}

/// Chunks that were read together.
public struct ChunkBatch: Sendable {
  /// The first chunk's row within the whole input.
  public let firstRow: Int
  public let chunks: [Chunk]
  /// The stream within the input.
  public let stream: Int
}
