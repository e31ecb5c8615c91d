import Safetensors
import ShardIO

extension MemoryParameters {
  var encoded: [String: String] {
    func text(_ identity: Identity) -> String {
      JSONValue.object(["name": .string(identity.name), "digest": .string(identity.digest)]).encoded
    }
    let documents = JSONValue.array(
      documents.map {
        .object(["name": .string($0.name), "tokens": .integer(Int64($0.tokens))])
      })
    return [
      "model": text(model), "adapter": text(adapter), "retriever": text(retriever),
      "dimension": "\(dimension)", "chunk_tokens": "\(sizes.chunk)",
      "segment_tokens": "\(sizes.segment)", "block_tokens": "\(sizes.block)",
      "query_tokens": "\(sizes.query)", "context_tokens": "\(sizes.context)",
      "sinks": "\(sizes.sinks)", "top_k": "\(rules.topK)",
      "memory_tokens": "\(rules.memoryTokens)", "eviction": rules.eviction,
      "slots": "\(slots)", "width": "\(width)", "layers": "\(layers)",
      "memory_dtype": type.rawValue, "memory": configuration.encoded,
      "documents": documents.encoded, "context_rows": "\(contextRows)",
      "next_row": "\(nextRow)", "event": "\(event)",
    ]
  }

  init(block: ShardBlock) throws {
    // Once a memory was its chunks alone: nothing could be asked as if the text had just been read.
    guard block.parameters["context_rows"] != nil else {
      throw block.error("a memory without its context, of an older ml-eval: read the text again")
    }
    func identity(_ key: String) throws -> Identity {
      let value = try block.json(key)
      guard let name = value["name"]?.stringValue, let digest = value["digest"]?.stringValue else {
        throw block.error("parameter \(key) has no name and digest")
      }
      return Identity(name: name, digest: digest)
    }
    model = try identity("model")
    adapter = try identity("adapter")
    retriever = try identity("retriever")
    dimension = try block.integer("dimension", in: 1...1 << 20)
    sizes = try Sizes(block)
    rules = Rules(
      topK: try block.integer("top_k", in: 1...1 << 30),
      memoryTokens: try block.integer("memory_tokens", in: 0...1 << 30),
      eviction: try block.string("eviction", among: ["counter", "fifo", "lru", "none"]))
    slots = try block.integer("slots", in: 1...1024)
    width = try block.integer("width", in: 1...1 << 20)
    layers = try block.integer("layers", in: 1...1024)
    let types: [ElementType] = [.F32, .BF16, .F16]
    let name = try block.string("memory_dtype", among: types.map(\.rawValue))
    type = ElementType(rawValue: name) ?? .F32
    configuration = try block.json("memory")
    documents = try Self.documents(block)
    contextRows = try block.integer("context_rows", in: 0...1 << 30)
    nextRow = try block.integer("next_row", in: 0...1 << 48)
    event = try block.integer("event", in: 0...1 << 48)
  }

  private static func documents(_ block: ShardBlock) throws -> [Document] {
    guard let values = try block.json("documents").arrayValue else {
      throw block.error("parameter documents is no array")
    }
    return try values.map { value in
      guard let name = value["name"]?.stringValue, let tokens = value["tokens"]?.intValue,
        (0...1 << 40).contains(tokens)
      else { throw block.error("a document has no name and tokens") }
      return Document(name: name, tokens: tokens)
    }
  }
}

extension MemoryParameters.Sizes {
  /// - Throws: also where they do not fit each other.
  fileprivate init(_ block: ShardBlock) throws {
    func tokens(_ key: String, from least: Int = 1) throws -> Int {
      try block.integer(key, in: least...1 << 30)
    }
    chunk = try block.integer("chunk_tokens", in: 1...Int(UInt16.max))
    segment = try tokens("segment_tokens")
    self.block = try tokens("block_tokens")
    query = try tokens("query_tokens")
    context = try tokens("context_tokens")
    sinks = try tokens("sinks", from: 0)
    guard segment % chunk == 0, segment % self.block == 0, context - sinks >= segment + chunk else {
      throw block.error(
        "chunks of \(chunk), blocks of \(self.block), segments of \(segment) and a context of "
          + "\(context) tokens do not go together")
    }
  }
}
