import Kernels
import Safetensors
import Weights

/// How a stored weight is held while the model runs.
public enum WeightResidency: String, Sendable, CaseIterable {
  /// Float32 in memory when all weights take at most 4 GiB so, else as stored.
  case auto
  case expanded
  /// As in the file, expanded panel by panel into scratch at each use.
  case stored

  func expands(_ c: LlamaConfiguration) -> Bool {
    switch self {
    case .auto:
      let count = c.layerWeights * c.layerCount + 2 * c.vocabularySize * c.hiddenSize
      return count <= 1 << 30
    case .expanded: return true
    case .stored: return false
    }
  }
}

/// A tensor of a file as row panels that are expanded to float32 at each use.
struct StoredPanels: RowPanels {
  let tensor: StoredTensor
  let rows: Int
  let columns: Int
  var isDense: Bool { false }

  func panel(_ range: Range<Int>, scratch: MutableFloats?) -> Floats {
    guard let scratch else { preconditionFailure("a stored tensor needs scratch") }
    tensor.expand(rows: range, into: scratch)
    return Floats(scratch)
  }

  func bf16(_ range: Range<Int>) -> UnsafePointer<UInt16>? { tensor.bf16(rows: range) }
}

extension Decoder {
  /// Builds the decoder from a model's files.
  ///
  /// - Parameter lowest: the first layer that will be run, from `FrozenStates`; the weights of those below
  ///   stay in the file, unread.
  /// - Throws: `ModelError` naming the tensor that is missing or has another shape than the
  ///   configuration says.
  public convenience init(
    files: ModelFiles, memory: MemoryConfiguration?, residency: WeightResidency = .auto,
    from lowest: Int = 0, compute: Compute
  ) throws {
    let configuration = try LlamaConfiguration(huggingFace: files.configuration)
    try memory?.validate(layerCount: configuration.layerCount)
    let expands = residency.expands(configuration)
    let loader = DecoderLoader(
      files: files, configuration: configuration, expands: expands, compute: compute)
    let frozen = DecoderLoader(
      files: files, configuration: configuration, expands: false, compute: compute)
    // A head that is tied to the embedding reads all of it, others leave it to the lowest layer.
    let embedding = try (lowest > 0 && !configuration.tiedEmbeddings ? frozen : loader).panels(
      "model.embed_tokens.weight", [configuration.vocabularySize, configuration.hiddenSize])
    let head =
      configuration.tiedEmbeddings
      ? embedding
      : try loader.panels(
        "lm_head.weight", [configuration.vocabularySize, configuration.hiddenSize])
    let layers = try (0..<configuration.layerCount).map {
      try ($0 < lowest ? frozen : loader).layer($0, memory: memory)
    }
    try loader.refuseOthers(than: layers)
    self.init(
      configuration: configuration, memory: memory, compute: compute, layers: layers,
      lowestRun: lowest, finalNorm: try loader.vector("model.norm.weight"),
      embedding: embedding.panels,
      head: head.panels)
  }
}

private struct DecoderLoader {
  let files: ModelFiles
  let configuration: LlamaConfiguration
  let expands: Bool
  let compute: Compute
  private let arena = FloatArena()

  func tensor(_ name: String, _ shape: [Int]) throws -> StoredTensor {
    guard let tensor = files.tensors[name] else {
      throw ModelError("\(files.name): \(files.whyUnavailable(name))")
    }
    guard tensor.shape == shape else {
      throw ModelError("\(files.name): \(name) has shape \(tensor.shape), expected \(shape)")
    }
    return tensor
  }

  /// Refuses a tensor that the decoder has no place for: a model that has it computes something else.
  func refuseOthers(than layers: [DecoderLayer]) throws {
    var known: Set = ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
    for layer in layers {
      known.formUnion([layer.inputNorm.name, layer.postNorm.name])
      for module in layer.modules {
        known.insert(module.name + ".weight")
        if let bias = module.biasParameter { known.insert(bias.name) }
      }
    }
    // Tables of frequencies, which older models store and nothing reads; gates, which memory may use.
    let harmless = ["rotary_emb.inv_freq", "ret_gate.output_gate"]
    if let other = files.tensors.keys.sorted().first(where: { name in
      !known.contains(name) && !harmless.contains { name.hasSuffix($0) }
    }) {
      throw ModelError(
        "\(files.name): tensor \(other) has no place in a model of type "
          + configuration.family.rawValue)
    }
  }

  func vector(_ name: String) throws -> Parameter {
    let width = configuration.hiddenSize
    let values = try tensor(name, [width]).floats()
    return Parameter(name: name, shape: [width], value: FloatBuffer(values))
  }

  func panels(_ name: String, _ shape: [Int]) throws -> (panels: any RowPanels, dense: FloatBuffer?)
  {
    let tensor = try tensor(name, shape)
    guard expands else {
      return (StoredPanels(tensor: tensor, rows: shape[0], columns: shape[1]), nil)
    }
    let buffer = arena.buffer(shape[0] * shape[1])
    let tile = 256
    compute.workers.forEach(tiles: (shape[0] + tile - 1) / tile) { index, _ in
      let rows = index * tile..<min((index + 1) * tile, shape[0])
      tensor.expand(rows: rows, into: buffer.pointer + rows.lowerBound * shape[1])
    }
    return (OwnedPanels(buffer: buffer, rows: shape[0], columns: shape[1]), buffer)
  }

  /// - Parameter heights: outputs of the linear layers that the module's weight holds.
  func module(_ name: String, _ heights: [Int], columns: Int, bias hasBias: Bool) throws
    -> LinearModule
  {
    let rows = heights.reduce(0, +)
    let weight = try panels(name + ".weight", [rows, columns])
    let bias =
      hasBias ? FloatBuffer(try tensor(name + ".bias", [rows]).floats()) : nil
    return LinearModule(
      name: name, weight: weight.panels, dense: weight.dense, bias: bias, heights: heights)
  }

  private func modules(_ prefix: String) throws -> [LinearModule] {
    let c = configuration
    let (attention, mlp) = (prefix + "self_attn.", prefix + "mlp.")
    let inputs: [(String, Int)] = [
      ("q_proj", c.queryWidth), ("k_proj", c.keyValueWidth), ("v_proj", c.keyValueWidth),
    ]
    let gated: [(String, Int)] = [
      ("gate_proj", c.intermediateSize), ("up_proj", c.intermediateSize),
    ]
    func side(_ path: String, _ parts: [(String, Int)], fused: String, bias: Bool) throws
      -> [LinearModule]
    {
      guard !c.family.fusesProjections else {
        return [try module(path + fused, parts.map(\.1), columns: c.hiddenSize, bias: bias)]
      }
      return try parts.map {
        try module(path + $0.0, [$0.1], columns: c.hiddenSize, bias: bias)
      }
    }
    return try side(attention, inputs, fused: "qkv_proj", bias: c.attentionBias)
      + [module(attention + "o_proj", [c.hiddenSize], columns: c.queryWidth, bias: c.outputBias)]
      + side(mlp, gated, fused: "gate_up_proj", bias: c.mlpBias)
      + [module(mlp + "down_proj", [c.hiddenSize], columns: c.intermediateSize, bias: c.mlpBias)]
  }

  func layer(_ index: Int, memory: MemoryConfiguration?) throws -> DecoderLayer {
    let prefix = "model.layers.\(index)."
    return DecoderLayer(
      index: index, inputNorm: try vector(prefix + "input_layernorm.weight"),
      postNorm: try vector(prefix + "post_attention_layernorm.weight"),
      modules: try modules(prefix),
      retrievalGate: try retrievalGate(prefix, index, memory))
  }

  /// The gate of a retrieval layer: stored with the model, or zero (both parts weigh the same).
  private func retrievalGate(_ prefix: String, _ index: Int, _ memory: MemoryConfiguration?) throws
    -> Parameter?
  {
    guard let memory, memory.usesGate, memory.retrievalLayers.contains(index) else { return nil }
    let name = prefix + "self_attn.ret_gate.output_gate"
    let values = files.tensors[name]?.floats() ?? []
    guard values.isEmpty || values.count == configuration.queryHeads else {
      throw ModelError("\(files.name): \(name) has \(values.count) values")
    }
    let buffer = FloatBuffer(count: configuration.queryHeads)
    if !values.isEmpty {
      values.withUnsafeBufferPointer { buffer.copy(from: $0.baseAddress!, count: $0.count) }
    }
    return Parameter(name: name, shape: [1, configuration.queryHeads, 1, 1], value: buffer)
  }
}

/// Dense panels that keep their memory alive.
struct OwnedPanels: RowPanels {
  let buffer: FloatBuffer
  let rows: Int
  let columns: Int
  var isDense: Bool { true }

  func panel(_ range: Range<Int>, scratch: MutableFloats?) -> Floats {
    buffer.floats + range.lowerBound * columns
  }
}
