import Safetensors
import ShardIO

/// What holds for all rows of kind `memory`: a reading of some text, kept to be asked later.
public struct MemoryParameters: Equatable, Sendable {
  /// A file's or folder's name and digest.
  public struct Identity: Equatable, Sendable {
    public var name: String
    public var digest: String

    public init(name: String, digest: String) {
      self.name = name
      self.digest = digest
    }
  }

  /// A text of those that were read, one behind the other.
  public struct Document: Equatable, Sendable {
    public var name: String
    public var tokens: Int

    public init(name: String, tokens: Int) {
      self.name = name
      self.tokens = tokens
    }
  }

  /// How the text was cut, in tokens, and what of it was attended to as it stood.
  public struct Sizes: Equatable, Sendable {
    public var chunk: Int
    public var segment: Int
    public var block: Int
    public var query: Int
    public var context: Int
    public var sinks: Int

    public init(chunk: Int, segment: Int, block: Int, query: Int, context: Int, sinks: Int) {
      self.chunk = chunk
      self.segment = segment
      self.block = block
      self.query = query
      self.context = context
      self.sinks = sinks
    }
  }

  /// What the memory takes and forgets, as in a plan.
  public struct Rules: Equatable, Sendable {
    public var topK: Int
    /// 0: unbounded.
    public var memoryTokens: Int
    public var eviction: String

    public init(topK: Int, memoryTokens: Int, eviction: String) {
      self.topK = topK
      self.memoryTokens = memoryTokens
      self.eviction = eviction
    }
  }

  public var model: Identity
  /// Empty names without one.
  public var adapter: Identity
  public var retriever: Identity
  /// Components of a retrieval key.
  public var dimension: Int
  public var sizes: Sizes
  public var rules: Rules
  /// Source layers of keys and values, and the numbers of one token's keys in one of them.
  public var slots: Int
  public var width: Int
  /// Layers of the model, all of whose keys and values the context keeps.
  public var layers: Int
  /// `F32`, `BF16` or `F16`: how keys and values are kept.
  public var type: ElementType
  /// The memory's layers and positions: the published fields of `config.json`.
  public var configuration: JSONValue
  /// What was read, and how many of its tokens stand in the context.
  public var documents: [Document]
  public var contextRows: Int
  /// Where the text goes on: the next chunk's row, and the clock of retrievals and entries.
  public var nextRow: Int
  public var event: Int

  public init(
    model: Identity, adapter: Identity, retriever: Identity, dimension: Int, sizes: Sizes,
    rules: Rules, slots: Int, width: Int, layers: Int, type: ElementType,
    configuration: JSONValue, documents: [Document], contextRows: Int, nextRow: Int, event: Int
  ) {
    self.model = model
    self.adapter = adapter
    self.retriever = retriever
    self.dimension = dimension
    self.sizes = sizes
    self.rules = rules
    self.slots = slots
    self.width = width
    self.layers = layers
    self.type = type
    self.configuration = configuration
    self.documents = documents
    self.contextRows = contextRows
    self.nextRow = nextRow
    self.event = event
  }

  /// Bytes of one chunk's keys, or values, of all slots.
  public var chunkBytes: Int { slots * sizes.chunk * width * type.byteWidth }
  /// Numbers of one context token's keys, or values, of all layers.
  public var contextWidth: Int { layers * width }
  /// Tokens of all documents.
  public var textTokens: Int { documents.reduce(0) { $0 + $1.tokens } }
}

/// One row of kind `memory`: a live chunk.
public struct MemoryRow: Equatable, Sendable {
  /// The chunk's number in all that was read.
  public var row: Int
  /// Its tokens, at most a chunk's.
  public var length: Int
  public var hits: Int
  public var lastUse: Int
  /// The retrieval key, [dimension].
  public var key: [Float]
  /// Bytes [slots, chunk, width] of the memory's type, zero beyond `length`.
  public var layerKeys: [UInt8]
  public var layerValues: [UInt8]
  /// UTF-8.
  public var text: [UInt8]

  public init(
    row: Int, length: Int, hits: Int, lastUse: Int, key: [Float], layerKeys: [UInt8],
    layerValues: [UInt8], text: [UInt8]
  ) {
    self.row = row
    self.length = length
    self.hits = hits
    self.lastUse = lastUse
    self.key = key
    self.layerKeys = layerKeys
    self.layerValues = layerValues
    self.text = text
  }
}

/// What a block of kind `memory` holds: chunks, or part of the text and of the context behind them.
public struct MemoryBatch: Equatable, Sendable {
  public var rows: [MemoryRow]
  /// Ids of the text.
  public var tokens: [Int32]
  /// [c, layers, width]: float32 keys and values of the context's tokens, oldest first.
  public var contextKeys: [Float]
  public var contextValues: [Float]

  public init(
    rows: [MemoryRow] = [], tokens: [Int32] = [], contextKeys: [Float] = [],
    contextValues: [Float] = []
  ) {
    self.rows = rows
    self.tokens = tokens
    self.contextKeys = contextKeys
    self.contextValues = contextValues
  }
}
