/// Writes small GGUF files, well-formed or not.
struct GGUFBuilder {
  struct Tensor {
    var name: String
    /// In the file's order: columns first.
    var dimensions: [UInt64]
    var type: UInt32
    var data: [UInt8]
    /// Overrides the offset that follows from the order.
    var offset: UInt64?
  }

  var magic = Array("GGUF".utf8)
  var version: UInt32 = 3
  var alignment = 32
  var tensorCount: UInt64?
  var keyCount: UInt64?
  var metadata: [(key: String, value: [UInt8])] = []
  var tensors: [Tensor] = []

  mutating func set(_ key: String, _ type: UInt32, _ payload: [UInt8]) {
    metadata.append((key, littleEndian(type) + payload))
  }

  mutating func set(_ key: String, _ text: String) { set(key, 8, string(text)) }
  mutating func set(_ key: String, _ value: UInt32) { set(key, 4, littleEndian(value)) }
  mutating func set(_ key: String, _ value: Float) { set(key, 6, littleEndian(value.bitPattern)) }

  mutating func set(_ key: String, _ value: Bool) { set(key, 7, [value ? 1 : 0]) }
  mutating func set(_ key: String, _ values: [UInt32]) {
    set(
      key, 9,
      littleEndian(UInt32(4)) + littleEndian(UInt64(values.count)) + values.flatMap(littleEndian))
  }

  mutating func add(_ name: String, _ dimensions: [UInt64], _ type: UInt32, _ data: [UInt8]) {
    tensors.append(Tensor(name: name, dimensions: dimensions, type: type, data: data))
  }

  mutating func add(_ name: String, _ dimensions: [UInt64], floats: [Float]) {
    add(name, dimensions, 0, floats.flatMap { littleEndian($0.bitPattern) })
  }

  var bytes: [UInt8] {
    var header = magic + littleEndian(version)
    header += littleEndian(tensorCount ?? UInt64(tensors.count))
    header += littleEndian(keyCount ?? UInt64(metadata.count))
    for (key, value) in metadata { header += string(key) + value }
    var data: [UInt8] = []
    for tensor in tensors {
      header += string(tensor.name) + littleEndian(UInt32(tensor.dimensions.count))
      for dimension in tensor.dimensions { header += littleEndian(dimension) }
      header += littleEndian(tensor.type) + littleEndian(tensor.offset ?? UInt64(data.count))
      data += padded(tensor.data)
    }
    return padded(header) + data
  }

  private func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
  }
}

func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

func string(_ text: String) -> [UInt8] { littleEndian(UInt64(text.utf8.count)) + text.utf8 }

extension GGUFBuilder {
  /// A whole llama model of two layers: hidden 8, two query heads of 4, one key-value head, biases on
  /// the attention inputs. Every value of a tensor is its index, plus a thousand per layer.
  static func tinyLlama(tied: Bool = false, architecture: String = "llama") -> GGUFBuilder {
    var builder = GGUFBuilder()
    builder.set("general.architecture", architecture)
    let counts: [(String, UInt32)] = [
      ("block_count", 2), ("context_length", 64), ("embedding_length", 8),
      ("feed_forward_length", 12), ("attention.head_count", 2), ("attention.head_count_kv", 1),
      ("rope.dimension_count", 4), ("vocab_size", 10),
    ]
    for (key, value) in counts { builder.set("llama." + key, value) }
    builder.set("llama.rope.freq_base", Float(50000))
    builder.set("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
    builder.set("tokenizer.ggml.bos_token_id", UInt32(1))
    builder.set("tokenizer.ggml.eos_token_id", UInt32(2))
    builder.addIndexed("token_embd.weight", [8, 10])
    for layer in 0..<2 {
      let shapes: [(String, [UInt64])] = [
        ("attn_norm.weight", [8]), ("attn_q.weight", [8, 8]), ("attn_q.bias", [8]),
        ("attn_k.weight", [8, 4]), ("attn_k.bias", [4]), ("attn_v.weight", [8, 4]),
        ("attn_v.bias", [4]), ("attn_output.weight", [8, 8]), ("ffn_norm.weight", [8]),
        ("ffn_gate.weight", [8, 12]), ("ffn_up.weight", [8, 12]), ("ffn_down.weight", [12, 8]),
      ]
      for (name, shape) in shapes {
        builder.addIndexed("blk.\(layer).\(name)", shape, from: Float(1000 * layer))
      }
    }
    builder.addIndexed("output_norm.weight", [8])
    if !tied { builder.addIndexed("output.weight", [8, 10]) }
    return builder
  }

  mutating func addIndexed(_ name: String, _ dimensions: [UInt64], from start: Float = 0) {
    let count = Int(dimensions.reduce(1, *))
    add(name, dimensions, floats: (0..<count).map { start + Float($0) })
  }
}
