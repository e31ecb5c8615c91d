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

/// The windows whose every one is a document of the stream: the published evaluation's.
public struct WindowParameters: Equatable, Sendable {
  /// Tokens of a window, and from one window's start to the next one's.
  public var length: Int
  public var stride: Int
  /// Tokens of the last segment, and of those before it.
  public var lastContext: Int
  public var prefillTokens: Int
  /// Documents of fewer tokens were left out.
  public var filterLength: Int
  /// Whether documents begin with the beginning-of-text token.
  public var bos: Bool

  public init(
    length: Int, stride: Int, lastContext: Int, prefillTokens: Int, filterLength: Int, bos: Bool
  ) {
    self.length = length
    self.stride = stride
    self.lastContext = lastContext
    self.prefillTokens = prefillTokens
    self.filterLength = filterLength
    self.bos = bos
  }

  var encoded: [String: String] {
    [
      "window": String(length), "stride": String(stride), "last_context": String(lastContext),
      "prefill_tokens": String(prefillTokens), "filter_length": String(filterLength),
      "bos": bos ? "1" : "0",
    ]
  }

  /// nil where the stream holds no windows.
  init?(block: ShardBlock) throws {
    let range = 1...Int(Int32.max)
    guard let length = try block.optionalInteger("window", in: range) else { return nil }
    self.length = length
    stride = try block.integer("stride", in: range)
    lastContext = try block.integer("last_context", in: range)
    prefillTokens = try block.integer("prefill_tokens", in: range)
    filterLength = try block.integer("filter_length", in: range)
    bos = try block.integer("bos", in: 0...1) == 1
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
  /// nil: documents are documents.
  public var window: WindowParameters?

  public init(
    chunkTokens: Int, segmentTokens: Int, pack: String, sources: [String],
    tokenizer: TokenizerIdentity, window: WindowParameters? = nil
  ) {
    self.chunkTokens = chunkTokens
    self.segmentTokens = segmentTokens
    self.pack = pack
    self.sources = sources
    self.tokenizer = tokenizer
    self.window = window
  }

  var encoded: [String: String] {
    let own = [
      "chunk_tokens": String(chunkTokens), "segment_tokens": String(segmentTokens), "pack": pack,
      "sources": JSONValue.array(sources.map { .string($0) }).encoded,
      "tokenizer": JSONValue.object([
        "name": .string(tokenizer.name),
        "vocabulary_size": .integer(Int64(tokenizer.vocabularySize)),
        "digest": .string(tokenizer.digest),
      ]).encoded,
    ]
    return own.merging(window?.encoded ?? [:]) { $1 }
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
    window = try WindowParameters(block: block)
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
  /// Where `document` is a window: the document that it is a window of.
  public var origin: Int64?
  /// The chunk decoded, UTF-8.
  public var text: [UInt8]

  public init(
    tokens: [Int32], document: Int64, ordinal: Int32, segment: Int32, source: UInt8,
    origin: Int64? = nil, text: [UInt8]
  ) {
    self.tokens = tokens
    self.document = document
    self.ordinal = ordinal
    self.segment = segment
    self.source = source
    self.origin = origin
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
