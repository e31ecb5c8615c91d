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
}

extension Decoder {
  /// Builds the decoder from a model's files.
  ///
  /// - Throws: `ModelError` naming the tensor that is missing or has another shape than the
  ///   configuration says.
  public convenience init(
    files: ModelFiles, memory: MemoryConfiguration?, residency: WeightResidency = .auto,
    compute: Compute
  ) throws {
    let configuration = try LlamaConfiguration(huggingFace: files.configuration)
    try memory?.validate(layerCount: configuration.layerCount)
    let loader = DecoderLoader(
      files: files, configuration: configuration, residency: residency, compute: compute)
    let embedding = try loader.panels(
      "model.embed_tokens.weight", [configuration.vocabularySize, configuration.hiddenSize])
    let head =
      configuration.tiedEmbeddings
      ? embedding
      : try loader.panels(
        "lm_head.weight", [configuration.vocabularySize, configuration.hiddenSize])
    self.init(
      configuration: configuration, memory: memory, compute: compute,
      layers: try (0..<configuration.layerCount).map { try loader.layer($0, memory: memory) },
      finalNorm: try loader.vector("model.norm.weight"), embedding: embedding.panels,
      head: head.panels)
  }
}

private struct DecoderLoader {
  let files: ModelFiles
  let configuration: LlamaConfiguration
  let expands: Bool
  let compute: Compute

  init(
    files: ModelFiles, configuration: LlamaConfiguration, residency: WeightResidency,
    compute: Compute
  ) {
    self.files = files
    self.configuration = configuration
    self.compute = compute
    expands = residency.expands(configuration)
  }

  func tensor(_ name: String, _ shape: [Int]) throws -> StoredTensor {
    guard let tensor = files.tensors[name] else {
      throw ModelError("\(files.name): \(files.whyUnavailable(name))")
    }
    guard tensor.shape == shape else {
      throw ModelError("\(files.name): \(name) has shape \(tensor.shape), expected \(shape)")
    }
    return tensor
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
    let buffer = FloatBuffer(count: shape[0] * shape[1])
    let tile = 256
    compute.workers.forEach(tiles: (shape[0] + tile - 1) / tile) { index, _ in
      let rows = index * tile..<min((index + 1) * tile, shape[0])
      tensor.expand(rows: rows, into: buffer.pointer + rows.lowerBound * shape[1])
    }
    return (OwnedPanels(buffer: buffer, rows: shape[0], columns: shape[1]), buffer)
  }

  func linear(_ name: String, _ shape: [Int], bias hasBias: Bool) throws -> Linear {
    let weight = try panels(name + ".weight", shape)
    let bias =
      hasBias ? FloatBuffer(try tensor(name + ".bias", [shape[0]]).floats()) : nil
    return Linear(name: name, weight: weight.panels, dense: weight.dense, bias: bias)
  }

  func layer(_ index: Int, memory: MemoryConfiguration?) throws -> DecoderLayer {
    let c = configuration
    let prefix = "model.layers.\(index)."
    let attention = c.attentionBias
    let linears = [
      try linear(prefix + "self_attn.q_proj", [c.queryWidth, c.hiddenSize], bias: attention),
      try linear(prefix + "self_attn.k_proj", [c.keyValueWidth, c.hiddenSize], bias: attention),
      try linear(prefix + "self_attn.v_proj", [c.keyValueWidth, c.hiddenSize], bias: attention),
      try linear(prefix + "self_attn.o_proj", [c.hiddenSize, c.queryWidth], bias: attention),
      try linear(prefix + "mlp.gate_proj", [c.intermediateSize, c.hiddenSize], bias: c.mlpBias),
      try linear(prefix + "mlp.up_proj", [c.intermediateSize, c.hiddenSize], bias: c.mlpBias),
      try linear(prefix + "mlp.down_proj", [c.hiddenSize, c.intermediateSize], bias: c.mlpBias),
    ]
    return DecoderLayer(
      index: index, inputNorm: try vector(prefix + "input_layernorm.weight"),
      postNorm: try vector(prefix + "post_attention_layernorm.weight"), linears: linears,
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
