import Kernels
import Weights

/// An encoder's tensors as float32, but for the word embeddings: those stay in the mapped file
/// and their rows are read as tokens ask for them.
final class EncoderWeights: @unchecked Sendable {
  struct Norm {
    let scale, bias: Floats
  }

  /// y = x Wᵀ + bias
  struct Linear {
    let weight: DensePanels
    let bias: Floats
  }

  struct Layer {
    /// [3H, H]: query, key and value in one product, so a token's row is q ‖ k ‖ v.
    let queryKeyValue: Linear
    let output: Linear  // [H, H]
    let attentionNorm: Norm
    let up: Linear  // [I, H]
    let down: Linear  // [H, I]
    let outputNorm: Norm
  }

  let words: StoredTensor  // [V, H]
  let positions: Floats  // [P, H]
  let tokenType: Floats  // [H]: type 0, the only one a single text has
  let embeddingNorm: Norm
  let layers: [Layer]
  private let storage: [UnsafeMutableBufferPointer<Float>]

  /// - Throws: `EmbeddingError` naming the tensor that is missing or has another shape.
  init(_ configuration: EncoderConfiguration, tensors: [String: StoredTensor]) throws {
    let (h, i) = (configuration.hiddenSize, configuration.intermediateSize)
    var store = TensorStore(try TensorNames(tensors))
    defer { store.releaseUnlessTaken() }

    words = try store.names.tensor(
      "embeddings.word_embeddings.weight", [configuration.vocabularySize, h])
    positions = try store.floats(
      ["embeddings.position_embeddings.weight"], [configuration.positions, h])
    tokenType = try store.floats(
      ["embeddings.token_type_embeddings.weight"], [configuration.tokenTypes, h])
    embeddingNorm = try store.norm("embeddings.LayerNorm", h)
    var layers: [Layer] = []
    for index in 0..<configuration.layers {
      let prefix = "encoder.layer.\(index)."
      layers.append(
        Layer(
          queryKeyValue: try store.linear(
            ["query", "key", "value"].map { prefix + "attention.self." + $0 }, [h, h]),
          output: try store.linear([prefix + "attention.output.dense"], [h, h]),
          attentionNorm: try store.norm(prefix + "attention.output.LayerNorm", h),
          up: try store.linear([prefix + "intermediate.dense"], [i, h]),
          down: try store.linear([prefix + "output.dense"], [h, i]),
          outputNorm: try store.norm(prefix + "output.LayerNorm", h)))
    }
    self.layers = layers
    storage = store.take()
  }

  deinit {
    for buffer in storage { buffer.deallocate() }
  }
}

/// Expands tensors into memory whose addresses stay.
private struct TensorStore {
  let names: TensorNames
  private var buffers: [UnsafeMutableBufferPointer<Float>] = []

  init(_ names: TensorNames) { self.names = names }

  /// The tensors one after another, each of the given shape.
  mutating func floats(_ parts: [String], _ shape: [Int]) throws -> Floats {
    let tensors = try parts.map { try names.tensor($0, shape) }
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(
      capacity: tensors.map(\.count).reduce(0, +))
    buffers.append(buffer)
    var out = buffer.baseAddress!
    for tensor in tensors {
      tensor.expand(rows: 0..<tensor.rows, into: out)
      out += tensor.count
    }
    return Floats(buffer.baseAddress!)
  }

  mutating func linear(_ parts: [String], _ shape: [Int]) throws -> EncoderWeights.Linear {
    let weight = try floats(parts.map { $0 + ".weight" }, shape)
    return EncoderWeights.Linear(
      weight: DensePanels(weight, rows: parts.count * shape[0], columns: shape[1]),
      bias: try floats(parts.map { $0 + ".bias" }, [shape[0]]))
  }

  mutating func norm(_ name: String, _ width: Int) throws -> EncoderWeights.Norm {
    EncoderWeights.Norm(
      scale: try floats([name + ".weight"], [width]), bias: try floats([name + ".bias"], [width]))
  }

  /// Hands over the buffers.
  mutating func take() -> [UnsafeMutableBufferPointer<Float>] {
    defer { buffers = [] }
    return buffers
  }

  mutating func releaseUnlessTaken() {
    for buffer in take() { buffer.deallocate() }
  }
}

/// Finds tensors under the names that checkpoints use: with or without a model prefix
/// (`bert.`, `roberta.`), with or without `encoder.`, and TensorFlow's gamma and beta of a layer norm.
private struct TensorNames {
  private let tensors: [String: StoredTensor]
  private let prefix: String

  init(_ tensors: [String: StoredTensor]) throws {
    let anchor = "embeddings.word_embeddings.weight"
    let prefixes = tensors.keys.filter { $0.hasSuffix(anchor) }.map { $0.dropLast(anchor.count) }
    guard prefixes.count == 1 else {
      throw EmbeddingError(
        prefixes.isEmpty
          ? "tensor \(anchor) is missing" : "more than one tensor ends in \(anchor)")
    }
    self.tensors = tensors
    prefix = String(prefixes[0])
  }

  func tensor(_ name: String, _ shape: [Int]) throws -> StoredTensor {
    guard let tensor = aliases(of: name).lazy.compactMap({ tensors[prefix + $0] }).first else {
      throw EmbeddingError("tensor \(prefix)\(name) is missing")
    }
    guard tensor.shape == shape else {
      throw EmbeddingError(
        "tensor \(tensor.name) has shape \(tensor.shape), config.json needs \(shape)")
    }
    return tensor
  }

  private func aliases(of name: String) -> [String] {
    var names = [name]
    if name.hasPrefix("encoder.") { names.append(String(name.dropFirst("encoder.".count))) }
    for (ending, old) in [("LayerNorm.weight", "gamma"), ("LayerNorm.bias", "beta")] {
      guard name.hasSuffix(ending) else { continue }
      let stem = ending.split(separator: ".")[1].count
      names += names.map { String($0.dropLast(stem)) + old }
    }
    return names
  }
}
