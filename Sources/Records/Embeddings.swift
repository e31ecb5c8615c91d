import Safetensors
import ShardIO

/// What holds for all rows of kind `embeddings`.
public struct EmbeddingParameters: Equatable, Sendable {
  public var dimension: Int
  public var modelName: String
  public var modelDigest: String
  /// The name of the instruction that stood before the texts; nil in a shard that does not say. The
  /// model's digest tells instructions apart as well.
  public var instruction: String?
  /// `previous`, `current` or `none`.
  public var query: String
  public var queryTokens: Int
  /// Tokens in a retrieval block.
  public var blockTokens: Int
  /// The chunks that were embedded; nil until it is known.
  public var chunksDigest: Digest?
  /// Copied from the chunks; nil in a shard that does not say.
  public var chunkTokens: Int?
  public var segmentTokens: Int?
  public var pack: String?

  public init(
    dimension: Int, modelName: String, modelDigest: String, instruction: String? = nil,
    query: String, queryTokens: Int, blockTokens: Int, chunksDigest: Digest? = nil,
    chunkTokens: Int? = nil,
    segmentTokens: Int? = nil, pack: String? = nil
  ) {
    self.dimension = dimension
    self.modelName = modelName
    self.modelDigest = modelDigest
    self.instruction = instruction
    self.query = query
    self.queryTokens = queryTokens
    self.blockTokens = blockTokens
    self.chunksDigest = chunksDigest
    self.chunkTokens = chunkTokens
    self.segmentTokens = segmentTokens
    self.pack = pack
  }

  var encoded: [String: String] {
    var model: [String: JSONValue] = [
      "name": .string(modelName), "digest": .string(modelDigest),
    ]
    model["instruction"] = instruction.map { .string($0) }
    var parameters = [
      "dimension": String(dimension), "query": query, "query_tokens": String(queryTokens),
      "block_tokens": String(blockTokens), "chunks_digest": chunksDigest?.description ?? "",
      "model": JSONValue.object(model).encoded,
    ]
    parameters["chunk_tokens"] = chunkTokens.map(String.init)
    parameters["segment_tokens"] = segmentTokens.map(String.init)
    parameters["pack"] = pack
    return parameters
  }

  init(block: ShardBlock) throws {
    let model = try block.json("model")
    guard let name = model["name"]?.stringValue, let digest = model["digest"]?.stringValue else {
      throw block.error("parameter model names no model")
    }
    (modelName, modelDigest) = (name, digest)
    instruction = model["instruction"]?.stringValue
    dimension = try block.integer("dimension", in: 1...1 << 20)
    query = try block.string("query", among: ["previous", "current", "none"])
    queryTokens = try block.integer("query_tokens", in: 0...Int(Int32.max))
    blockTokens = try block.integer("block_tokens", in: 0...Int(Int32.max))
    chunksDigest = try block.digest("chunks_digest")
    chunkTokens = try block.optionalInteger("chunk_tokens", in: 1...Int(UInt16.max))
    segmentTokens = try block.optionalInteger("segment_tokens", in: 1...Int(Int32.max))
    pack =
      try block.parameters["pack"] == nil
      ? nil : block.string("pack", among: ["document", "stream"])
  }
}

/// Embeddings that were read together. Rows count within the whole input.
public struct EmbeddingBatch: Sendable {
  public let firstRow: Int
  public let rows: Int
  /// [rows, dimension], row-major.
  public let keys: [Float]
  /// Per row; nil in a shard that does not say.
  public let documents: [Int64]?
  public let segments: [Int32]?
  /// The rows at which retrieval blocks start, rising, each within these rows.
  public let queryRows: [Int]
  /// [queryRows.count, dimension].
  public let queries: [Float]
  public let stream: Int
}
