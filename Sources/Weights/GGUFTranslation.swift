import Safetensors

/// A GGUF in Hugging Face's words: the metadata as a config.json, the tensors under the names of the
/// architecture's class, query and key rows in Hugging Face's order.
///
/// What llama.cpp's converter wrote is undone here; what would change the computation and is not
/// understood (other architectures, experts, unknown tensors) is refused by name.
struct GGUFTranslation {
  let gguf: GGUFFile
  let architecture: GGUFArchitecture
  let layers: Int
  let heads: Int
  let keyValueHeads: Int
  let headDimension: Int

  init(_ gguf: GGUFFile) throws {
    self.gguf = gguf
    let name = gguf.metadata["general.architecture"]?.stringValue ?? "(none)"
    guard let architecture = GGUFArchitecture(rawValue: name) else {
      let known = GGUFArchitecture.allCases.map(\.rawValue).joined(separator: ", ")
      throw WeightsError(
        gguf.path, "architecture \(name) is not supported (supported: \(known))")
    }
    self.architecture = architecture
    let fields = GGUFFields(gguf, architecture)
    guard try fields.count("expert_count", default: 0) == 0 else {
      throw WeightsError(gguf.path, "\(name).expert_count: mixtures of experts are not supported")
    }
    layers = try fields.positive("block_count")
    heads = try fields.positive("attention.head_count")
    keyValueHeads = try fields.positive("attention.head_count_kv", default: heads)
    let hidden = try fields.positive("embedding_length")
    headDimension = try fields.positive("attention.key_length", default: hidden / heads)
    guard heads % keyValueHeads == 0, headDimension % 2 == 0,
      try fields.positive("attention.value_length", default: headDimension) == headDimension,
      try fields.positive("rope.dimension_count", default: headDimension) == headDimension
    else {
      throw WeightsError(
        gguf.path,
        "\(heads) heads of \(headDimension), \(keyValueHeads) key-value heads: head counts must "
          + "divide, head sizes must be even, equal and rotated whole")
    }
  }

  // MARK: Tensors

  func tensors() throws -> (stored: [String: StoredTensor], refused: [String: String]) {
    var stored: [String: StoredTensor] = [:]
    var refused: [String: String] = [:]
    for entry in gguf.tensors {
      if entry.name == "rope_freqs.weight" {
        try checkRotaryFactors(entry)
        continue
      }
      if architecture.rotaryFactors.contains(entry.name) { continue }
      guard let (name, order) = huggingFaceName(entry.name) else {
        throw WeightsError(
          gguf.path,
          "tensor \(entry.name) is not one of the \(architecture.rawValue) architecture")
      }
      if entry.type.storage == nil {
        refused[name] = "\(entry.type)"
        continue
      }
      try checkRows(entry, order)
      let tensor = try gguf.stored(entry, as: name, order: order)
      stored[name] =
        architecture.addsOneToNorms && name.hasSuffix("norm.weight")
        ? StoredTensor(name: name, shape: tensor.shape, values: tensor.floats().map { $0 - 1 })
        : tensor
    }
    return (stored, refused)
  }

  private func huggingFaceName(_ name: String) -> (String, RowOrder)? {
    switch name {
    case "token_embd.weight": return ("model.embed_tokens.weight", .sequential)
    case "output_norm.weight": return ("model.norm.weight", .sequential)
    case "output.weight": return ("lm_head.weight", .sequential)
    default: break
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), "\(layer)" == parts[1],
      (0..<layers).contains(layer), let module = architecture.modules[String(parts[2])],
      parts[3] == "weight" || parts[3] == "bias"
    else { return nil }
    let interleaved =
      architecture.interleavesRotaryRows && (parts[2] == "attn_q" || parts[2] == "attn_k")
    return (
      "model.layers.\(layer).\(module).\(parts[3])",
      interleaved ? .interleaved(headDimension: headDimension) : .sequential
    )
  }

  /// Query and key rows must be whole heads before their order can be undone.
  private func checkRows(_ entry: GGUFFile.Tensor, _ order: RowOrder) throws {
    guard order != .sequential else { return }
    let isQuery = entry.name.contains(".attn_q.")
    let (expected, overflow) = (isQuery ? heads : keyValueHeads)
      .multipliedReportingOverflow(by: headDimension)
    guard !overflow, entry.shape.count <= 2, entry.shape.first == expected,
      entry.shape.count == 2 || entry.type.storage?.blockSize == 1
    else {
      throw WeightsError(
        gguf.path,
        "tensor \(entry.name): shape \(entry.shape) is not \(isQuery ? heads : keyValueHeads) heads "
          + "of \(headDimension)")
    }
  }

  /// Per-frequency factors (Llama 3.1) have no field in config.json; all ones are the plain rotation.
  private func checkRotaryFactors(_ entry: GGUFFile.Tensor) throws {
    guard entry.type.storage == .f32, try gguf.tensor(entry.name).floats().allSatisfy({ $0 == 1 })
    else {
      throw WeightsError(
        gguf.path,
        "tensor rope_freqs.weight: rotary frequency factors are not supported in a GGUF; "
          + "use the model's safetensors folder")
    }
  }
}
