import Safetensors

/// Where the memory's keys and values come from and which layers read them (DESIGN §1).
public struct MemoryConfiguration: Sendable, Equatable {
  /// Positions of memory and local tokens in the rotary embedding.
  public enum Positions: String, Sendable, CaseIterable {
    /// Memory keys stand at position 0, a segment's tokens at 1…S.
    case zero
    /// Memory keys take 0…M−1, the segment M…M+S−1.
    case continual
  }

  public enum Source: String, Sendable, CaseIterable {
    /// One memory layer feeds every retrieval layer, as published.
    case shared
    /// Each retrieval layer keeps and reads its own keys and values.
    case own
  }

  /// How stored keys and values are kept between segments.
  public enum Precision: String, Sendable, CaseIterable {
    case f32, bf16, f16
  }

  public var memoryLayer: Int
  /// Ascending, without repetition.
  public var retrievalLayers: [Int]
  public var positions: Positions
  public var source: Source
  public var precision: Precision
  public var usesGate: Bool
  /// Tokens of a chunk.
  public var chunkTokens: Int

  public init(
    memoryLayer: Int, retrievalLayers: [Int], positions: Positions = .zero,
    source: Source = .shared, precision: Precision = .f32, usesGate: Bool = false,
    chunkTokens: Int = 128
  ) {
    self.memoryLayer = memoryLayer
    self.retrievalLayers = retrievalLayers.sorted()
    self.positions = positions
    self.source = source
    self.precision = precision
    self.usesGate = usesGate
    self.chunkTokens = chunkTokens
  }

  /// The layers whose keys and values are kept; a chunk has one slot for each.
  public var sourceLayers: [Int] { source == .shared ? [memoryLayer] : retrievalLayers }

  /// Whether a chunk's keys and values depend on what its own segment retrieved.
  public var chunksDependOnRetrieval: Bool {
    (retrievalLayers.first ?? .max) < (sourceLayers.max() ?? 0)
  }

  /// The slot of a chunk that `layer` reads, nil for a layer without retrieval.
  func slot(readBy layer: Int) -> Int? {
    guard let index = retrievalLayers.firstIndex(of: layer) else { return nil }
    return source == .shared ? 0 : index
  }

  /// - Throws: `ModelError` naming a layer that the decoder does not have.
  public func validate(layerCount: Int) throws {
    for layer in [memoryLayer] + retrievalLayers where !(0..<layerCount).contains(layer) {
      throw ModelError("layer \(layer) is not one of the model's layers 0…\(layerCount - 1)")
    }
    guard !retrievalLayers.isEmpty else { throw ModelError("no retrieval layer is named") }
    guard Set(retrievalLayers).count == retrievalLayers.count else {
      throw ModelError("a retrieval layer is named twice")
    }
    // A layer below the memory layer reads chunks of earlier segments only, so any order works.
    guard chunkTokens > 0 else { throw ModelError("chunks of \(chunkTokens) tokens") }
  }
}

extension MemoryConfiguration {
  /// From the fields of a published MemLong `config.json`.
  ///
  /// - Throws: `ModelError` naming the field.
  public init(published json: JSONValue) throws {
    let fields = ConfigurationFields(json)
    let layers = json["ret_attn_layers"]?.arrayValue?.map(\.intValue) ?? [nil]
    guard layers.allSatisfy({ (0...1023).contains($0 ?? -1) }) else {
      throw ModelError("config: ret_attn_layers is missing or not a list of layers")
    }
    try fields.require("position_type", among: ["Zero", "Continual"], default: "Zero")
    try fields.require("mem_source", among: Source.allCases.map(\.rawValue), default: "shared")
    let precisions: [String: Precision] = ["float32": .f32, "bfloat16": .bf16, "float16": .f16]
    try fields.require("mem_dtype", among: precisions.keys.sorted(), default: "float32")
    self.init(
      memoryLayer: try fields.integer("mem_layer", in: 0...1023),
      retrievalLayers: layers.compactMap { $0 },
      positions: fields.string("position_type") == "Continual" ? .continual : .zero,
      source: Source(rawValue: fields.string("mem_source") ?? "shared") ?? .shared,
      precision: fields.string("mem_dtype").flatMap { precisions[$0] } ?? .f32,
      usesGate: try fields.boolean("use_gate", default: false),
      chunkTokens: try fields.integer("mem_group_size", in: 1...(1 << 20)))
  }

  /// The published fields, to stand beside the base model's in an adapter's `config.json`.
  public var published: [String: JSONValue] {
    let dtypes: [Precision: String] = [.f32: "float32", .bf16: "bfloat16", .f16: "float16"]
    return [
      "mem_layer": .integer(Int64(memoryLayer)),
      "ret_attn_layers": .array(retrievalLayers.map { .integer(Int64($0)) }),
      "position_type": .string(positions == .zero ? "Zero" : "Continual"),
      "mem_source": .string(source.rawValue), "mem_dtype": .string(dtypes[precision]!),
      "use_gate": .bool(usesGate), "mem_group_size": .integer(Int64(chunkTokens)),
    ]
  }
}
