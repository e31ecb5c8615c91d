import Foundation
import Modeling
import Safetensors
import TestSupport
import Weights

/// A random decoder small enough for the reference, with adapters whose halves are both non-zero.
struct TinyModel {
  var family = "llama"
  /// Fields of config.json beyond those below, or instead of them.
  var fields: [String: JSONValue] = [:]
  var layers = 3
  var hidden = 16
  var queryHeads = 4
  var keyValueHeads = 2
  /// Not hidden / heads, so that no two widths are the same.
  var headSize = 6
  var intermediate = 20
  var vocabulary = 23
  var maximumPositions = 64
  var attentionBias = false
  var mlpBias = false
  var tied = false
  var padding: Int?
  var rope: JSONValue = .null
  var memory: MemoryConfiguration?
  /// No adapter where empty.
  var targets = AdapterConfiguration.allTargets
  var rank = 3
  var dropout = 0.0
  var residency = WeightResidency.expanded
  var seed: UInt64 = 1

  private var configuration: JSONValue {
    let usual: JSONValue = [
      "model_type": .string(family),
      "hidden_act": family == "gemma" ? "gelu" : "silu",
      "vocab_size": .integer(Int64(vocabulary)),
      "hidden_size": .integer(Int64(hidden)), "intermediate_size": .integer(Int64(intermediate)),
      "num_hidden_layers": .integer(Int64(layers)),
      "num_attention_heads": .integer(Int64(queryHeads)),
      "num_key_value_heads": .integer(Int64(keyValueHeads)),
      "head_dim": .integer(Int64(headSize)),
      "max_position_embeddings": .integer(Int64(maximumPositions)), "rms_norm_eps": 1e-6,
      "rope_theta": 100.0, "rope_scaling": rope, "tie_word_embeddings": .bool(tied),
      "attention_bias": .bool(attentionBias), "mlp_bias": .bool(mlpBias),
      "pad_token_id": padding.map { .integer(Int64($0)) } ?? .null,
    ]
    return .object((usual.objectValue ?? [:]).merging(fields) { _, own in own })
  }

  /// Module path, outputs, inputs, bias.
  private var linears: [(name: String, rows: Int, columns: Int, bias: Bool)] {
    let (query, keyValue) = (queryHeads * headSize, keyValueHeads * headSize)
    return (0..<layers).flatMap { layer in
      let prefix = "model.layers.\(layer)."
      guard family != "phi3" else {
        return [
          (prefix + "self_attn.qkv_proj", query + 2 * keyValue, hidden, false),
          (prefix + "self_attn.o_proj", hidden, query, false),
          (prefix + "mlp.gate_up_proj", 2 * intermediate, hidden, false),
          (prefix + "mlp.down_proj", hidden, intermediate, false),
        ]
      }
      let outputBias = attentionBias && family != "qwen2"
      return [
        (prefix + "self_attn.q_proj", query, hidden, attentionBias),
        (prefix + "self_attn.k_proj", keyValue, hidden, attentionBias),
        (prefix + "self_attn.v_proj", keyValue, hidden, attentionBias),
        (prefix + "self_attn.o_proj", hidden, query, outputBias),
        (prefix + "mlp.gate_proj", intermediate, hidden, mlpBias),
        (prefix + "mlp.up_proj", intermediate, hidden, mlpBias),
        (prefix + "mlp.down_proj", hidden, intermediate, mlpBias),
      ]
    }
  }

  private func weights() -> [AdapterTensor] {
    var random = SplitMix64(seed: seed)
    var tensors: [AdapterTensor] = []
    func add(_ name: String, _ shape: [Int], _ range: ClosedRange<Float>) {
      tensors.append(
        AdapterTensor(
          name: name, shape: shape, values: random.floats(shape.reduce(1, *), in: range)))
    }
    add("model.embed_tokens.weight", [vocabulary, hidden], -1...1)
    if !tied { add("lm_head.weight", [vocabulary, hidden], -1...1) }
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)."
      add(prefix + "input_layernorm.weight", [hidden], 0.5...1.5)
      add(prefix + "post_attention_layernorm.weight", [hidden], 0.5...1.5)
      if memory?.usesGate == true, memory?.retrievalLayers.contains(layer) == true {
        add(prefix + "self_attn.ret_gate.output_gate", [1, queryHeads, 1, 1], -2...2)
      }
    }
    for linear in linears {
      add(linear.name + ".weight", [linear.rows, linear.columns], -0.4...0.4)
      if linear.bias { add(linear.name + ".bias", [linear.rows], -0.5...0.5) }
    }
    add("model.norm.weight", [hidden], 0.5...1.5)
    return tensors
  }

  /// Other numbers for another `seed`.
  func adapterTensors(seed: UInt64) -> [AdapterTensor] {
    var random = SplitMix64(seed: seed &+ 1000)
    return linears.filter { linear in targets.contains { linear.name.hasSuffix("." + $0) } }.flatMap
    {
      [
        AdapterTensor(
          name: $0.name + ".lora_A.weight", shape: [rank, $0.columns],
          values: random.floats(rank * $0.columns, in: -0.4...0.4)),
        AdapterTensor(
          name: $0.name + ".lora_B.weight", shape: [$0.rows, rank],
          values: random.floats($0.rows * rank, in: -0.4...0.4)),
      ]
    }
  }

  var adapter: AdapterConfiguration {
    AdapterConfiguration(rank: rank, alpha: 2, dropout: dropout, targets: targets, extras: [])
  }

  /// The same model twice.
  func build(threads: Int = 2) throws -> (decoder: Decoder, reference: ReferenceDecoder) {
    let folder = NSTemporaryDirectory() + "memlong-tiny-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var file = SafetensorsFile()
    let (weights, pairs) = (weights(), adapterTensors(seed: seed))
    for tensor in weights { file.add(tensor.name, .F32, tensor.shape, tensor.values) }
    try write(file.bytes, to: folder + "/model.safetensors")
    try write(configuration.encodedBytes(), to: folder + "/config.json")
    let decoder = try Decoder(
      files: try ModelFiles.open(path: folder), memory: memory, residency: residency,
      compute: Compute(threads: threads))
    if !pairs.isEmpty { try decoder.apply(adapter, tensors: pairs) }
    var tensors: [String: [Double]] = [:]
    for tensor in weights + pairs { tensors[tensor.name] = tensor.values.map(Double.init) }
    if tied { tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] }
    return (
      decoder,
      ReferenceDecoder(
        configuration: decoder.configuration, memory: memory, tensors: tensors,
        adapterScale: 2 / Double(rank))
    )
  }
}
