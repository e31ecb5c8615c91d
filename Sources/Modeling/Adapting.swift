import Kernels
import Safetensors
import Weights

/// A named tensor of an adapter: the Hugging Face path without PEFT's prefix.
public struct AdapterTensor: Sendable {
  public var name: String
  public var shape: [Int]
  public var values: [Float]

  public init(name: String, shape: [Int], values: [Float]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}

extension Decoder {
  /// Puts fresh adapters on the targets of `layers`: A uniform in ±1/√in, B zero, as PEFT starts.
  public func addAdapters(
    _ adapter: AdapterConfiguration, layers range: Range<Int>, seed: UInt64
  ) {
    for layer in layers[range] {
      for (index, module) in layer.modules.enumerated()
      where adapter.targets.contains(module.target) {
        let identity = UInt64(layer.index * layer.modules.count + index)
        let a = FloatBuffer(count: adapter.rank * module.columns)
        let bound = 1 / Float(module.columns).squareRoot()
        uniform(a.pointer, count: a.count, bound: bound, key: seed &+ identity)
        module.adapter = lora(
          module, adapter, a: a, b: FloatBuffer(count: module.rows * adapter.rank))
      }
    }
  }

  private func lora(
    _ module: LinearModule, _ adapter: AdapterConfiguration, a: FloatBuffer, b: FloatBuffer
  ) -> LoRA {
    let position = layers.firstIndex { $0.modules.contains { $0 === module } } ?? 0
    let index = layers[position].modules.firstIndex { $0 === module } ?? 0
    return LoRA(
      a: Parameter(
        name: module.name + ".lora_A.weight", shape: [adapter.rank, module.columns], value: a),
      b: Parameter(
        name: module.name + ".lora_B.weight", shape: [module.rows, adapter.rank], value: b),
      scale: adapter.scale, dropout: Float(adapter.dropout),
      identity: UInt64(position * layers[position].modules.count + index) + 1)
  }

  /// Applies a stored adapter: low-rank pairs stay beside the weights, full tensors replace them.
  ///
  /// - Parameter adapted: the layers that have factors, nil for all.
  /// - Throws: `ModelError` naming a tensor that the decoder has no place for, of a wrong shape, or
  ///   missing: half an adapter would pass for a whole one.
  public func apply(
    _ adapter: AdapterConfiguration, tensors: [AdapterTensor], layers adapted: [Int]? = nil
  ) throws {
    try requireTensors(adapter, names: Set(tensors.map(\.name)), layers: adapted)
    var pairs: [String: (a: AdapterTensor?, b: AdapterTensor?)] = [:]
    for tensor in tensors {
      if let module = tensor.name.removingSuffix(".lora_A.weight") {
        pairs[module, default: (nil, nil)].a = tensor
      } else if let module = tensor.name.removingSuffix(".lora_B.weight") {
        pairs[module, default: (nil, nil)].b = tensor
      } else if tensor.name != unusedGate {
        try replace(tensor)
      }
    }
    for (name, pair) in pairs.sorted(by: { $0.key < $1.key }) {
      guard let module = module(named: name), let a = pair.a, let b = pair.b,
        a.shape == [adapter.rank, module.columns], b.shape == [module.rows, adapter.rank]
      else {
        throw ModelError("adapter: \(name) does not fit the model (rank \(adapter.rank))")
      }
      guard isRun(module) else { continue }
      module.adapter = lora(module, adapter, a: FloatBuffer(a.values), b: FloatBuffer(b.values))
    }
  }

  private func isRun(_ module: LinearModule) -> Bool {
    layers[lowestRun...].contains { $0.modules.contains { $0 === module } }
  }

  /// The published code saves a gate of a memory layer that does not retrieve, and never reads it.
  private var unusedGate: String? {
    guard let memory, memory.usesGate, !memory.retrievalLayers.contains(memory.memoryLayer) else {
      return nil
    }
    return "model.layers.\(memory.memoryLayer).self_attn.ret_gate.output_gate"
  }

  private func requireTensors(
    _ adapter: AdapterConfiguration, names: Set<String>, layers adapted: [Int]?
  ) throws {
    var required: [String] = []
    for layer in layers {
      if adapted?.contains(layer.index) ?? true {
        for module in layer.modules where adapter.targets.contains(module.target) {
          required += ["A", "B"].map { "\(module.name).lora_\($0).weight" }
        }
      }
      if adapter.extras.contains(.norm) { required += [layer.inputNorm.name, layer.postNorm.name] }
    }
    if adapter.extras.contains(.norm) { required.append(finalNorm.name) }
    if adapter.extras.contains(.embed) { required.append("model.embed_tokens.weight") }
    if let missing = required.first(where: { !names.contains($0) }) {
      throw ModelError("adapter: tensor \(missing) is missing")
    }
  }

  private func replace(_ tensor: AdapterTensor) throws {
    let full = layers.flatMap { [$0.retrievalGate, $0.inputNorm, $0.postNorm] }.compactMap { $0 }
    var target = (full + [finalNorm]).first { $0.name == tensor.name }
    if tensor.name == "model.embed_tokens.weight" { target = embeddingParameter() }
    if let name = tensor.name.removingSuffix(".weight"), let module = module(named: name) {
      guard isRun(module) else { return }
      target = try module.fullWeight()
    }
    let extents = { (shape: [Int]) in shape.filter { $0 != 1 } }
    guard let target, extents(target.shape) == extents(tensor.shape) else {
      throw ModelError("adapter: \(tensor.name) does not fit the model")
    }
    tensor.values.withUnsafeBufferPointer { values in
      if let base = values.baseAddress { target.value.copy(from: base, count: values.count) }
    }
  }

  /// The adapter as it stands: every low-rank pair, and the full tensors named by `extras`.
  public func adapterTensors(_ extras: [AdapterConfiguration.Extra]) -> [AdapterTensor] {
    parameters.filter { parameter in
      switch parameter.name {
      case let name where name.contains(".lora_"): return true
      case let name where name.hasSuffix("norm.weight"): return extras.contains(.norm)
      case let name where name.hasSuffix("embed_tokens.weight"): return extras.contains(.embed)
      case let name where name.hasSuffix("_proj.weight"): return true
      default: return extras.contains(.gate)
      }
    }.map { AdapterTensor(name: $0.name, shape: $0.shape, values: $0.value.array) }
  }

  /// Marks what a training mode trains: adapters and extras of `layers`, and the model-wide extras.
  ///
  /// - Parameter weights: whether the layers' own weights are trained too.
  /// - Throws: `ModelError` where such a weight is not held as float32.
  public func train(
    layers range: Range<Int>, extras: [AdapterConfiguration.Extra], weights: Bool = false
  ) throws {
    for layer in layers[range] {
      for module in layer.modules {
        if weights { try module.trainWeight() }
        module.adapter?.a.train()
        module.adapter?.b.train()
      }
      if extras.contains(.norm) {
        layer.inputNorm.train()
        layer.postNorm.train()
      }
      if extras.contains(.gate) { layer.retrievalGate?.train() }
    }
    if extras.contains(.norm) { finalNorm.train() }
    if extras.contains(.embed) { embeddingParameter().train() }
  }
}

extension String {
  func removingSuffix(_ suffix: String) -> String? {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
  }
}

/// Fills with uniform numbers in ±`bound` that depend on `key` and the index alone (SplitMix64).
private func uniform(_ target: MutableFloats, count: Int, bound: Float, key: UInt64) {
  for index in 0..<count {
    var z = key &* 0xD129_0D3F_9AB4_6F4D &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    target[index] = (Float(z >> 40) / Float(1 << 23) - 1) * bound
  }
}
