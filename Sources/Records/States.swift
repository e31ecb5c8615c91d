import Safetensors
import ShardIO

/// What holds for all rows of kind `states`.
public struct StateParameters: Equatable, Sendable {
  /// The layer that the hidden states enter.
  public var layer: Int
  public var hiddenSize: Int
  /// BF16 or F32.
  public var hiddenType: ElementType
  /// The layers whose keys and values are here, and the width of a token's.
  public var memoryLayers: [Int]
  public var memoryWidth: Int
  /// F32, BF16 or F16.
  public var memoryType: ElementType
  /// Of the model's files.
  public var model: String
  /// What the states were computed from; a nil plan is none.
  public var chunksDigest: Digest
  public var planDigest: Digest?

  static let hiddenTypes: [ElementType] = [.BF16, .F32]
  static let memoryTypes: [ElementType] = [.BF16, .F16, .F32]

  public init(
    layer: Int, hiddenSize: Int, hiddenType: ElementType, memoryLayers: [Int], memoryWidth: Int,
    memoryType: ElementType, model: String, chunksDigest: Digest, planDigest: Digest?
  ) {
    precondition(Self.hiddenTypes.contains(hiddenType) && Self.memoryTypes.contains(memoryType))
    self.layer = layer
    self.hiddenSize = hiddenSize
    self.hiddenType = hiddenType
    self.memoryLayers = memoryLayers
    self.memoryWidth = memoryWidth
    self.memoryType = memoryType
    self.model = model
    self.chunksDigest = chunksDigest
    self.planDigest = planDigest
  }

  var encoded: [String: String] {
    [
      "layer": String(layer), "hidden_size": String(hiddenSize),
      "hidden_dtype": hiddenType.rawValue,
      "memory_layers": JSONValue.array(memoryLayers.map { .integer(Int64($0)) }).encoded,
      "memory_width": String(memoryWidth), "memory_dtype": memoryType.rawValue, "model": model,
      "chunks_digest": chunksDigest.description, "plan_digest": planDigest?.description ?? "",
    ]
  }

  init(block: ShardBlock) throws {
    layer = try block.integer("layer", in: 1...1024)
    hiddenSize = try block.integer("hidden_size", in: 1...1 << 20)
    hiddenType = try Self.type(block, "hidden_dtype", among: Self.hiddenTypes)
    let layers = try block.json("memory_layers").arrayValue?.map { $0.intValue ?? -1 }
    guard let layers, layers.count <= 1024, layers.allSatisfy({ (0..<1024).contains($0) }) else {
      throw block.error("parameter memory_layers is no list of layers")
    }
    memoryLayers = layers
    memoryWidth = try block.integer("memory_width", in: 1...1 << 20)
    memoryType = try Self.type(block, "memory_dtype", among: Self.memoryTypes)
    model = try block.string("model")
    chunksDigest = try block.digest("chunks_digest")
    planDigest = try block.optionalDigest("plan_digest")
  }

  private static func type(
    _ block: ShardBlock, _ key: String, among types: [ElementType]
  ) throws -> ElementType {
    let name = try block.string(key, among: types.map(\.rawValue))
    return types.first { $0.rawValue == name }!
  }

  /// Bytes of a token's hidden state; and of its keys, or values, in one layer.
  var hiddenBytes: Int { hiddenSize * hiddenType.byteWidth }
  var memoryBytes: Int { memoryWidth * memoryType.byteWidth }
}

/// One row of kind `states`: one chunk.
public struct StateRow: Equatable, Sendable {
  /// Tokens of the chunk.
  public var tokens: Int
  /// tokens × `hiddenSize` numbers of `hiddenType`.
  public var hidden: [UInt8]
  /// For each memory layer tokens × `memoryWidth` numbers of `memoryType`; nil where no later
  /// segment reads the chunk.
  public var memory: [Memory]?

  public struct Memory: Equatable, Sendable {
    public var keys: [UInt8]
    public var values: [UInt8]

    public init(keys: [UInt8], values: [UInt8]) {
      self.keys = keys
      self.values = values
    }
  }

  public init(tokens: Int, hidden: [UInt8], memory: [Memory]?) {
    self.tokens = tokens
    self.hidden = hidden
    self.memory = memory
  }
}

extension StateRow {
  /// tokens × `hiddenSize`.
  public func hiddenValues(_ parameters: StateParameters) -> [Float] {
    floats(hidden, parameters.hiddenType)
  }

  /// Of each memory layer, tokens × `memoryWidth`.
  public func memoryValues(_ parameters: StateParameters) -> [(keys: [Float], values: [Float])]? {
    memory?.map { part in
      (floats(part.keys, parameters.memoryType), floats(part.values, parameters.memoryType))
    }
  }

  private func floats(_ bytes: [UInt8], _ type: ElementType) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / type.byteWidth).map { index in
        let offset = index * type.byteWidth
        switch type {
        case .BF16:
          let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
          return Float(bitPattern: UInt32(bits) << 16)
        case .F16: return Float(bytes.loadUnaligned(fromByteOffset: offset, as: Float16.self))
        default: return bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
        }
      }
    }
  }
}

/// Rows that were read together.
public struct StateBatch: Sendable {
  /// The first chunk's row within the whole input.
  public let firstRow: Int
  public let rows: [StateRow]
}
