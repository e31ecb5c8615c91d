import Foundation
import Modeling
import Safetensors
import TestSupport
import Weights

/// A random model folder.
struct TinyModel {
  var layers = 2
  var hidden = 12
  var queryHeads = 4
  var keyValueHeads = 2
  var headSize = 6
  var intermediate = 14
  var vocabulary = 19
  var memory: MemoryConfiguration?

  private var configuration: JSONValue {
    [
      "model_type": "llama", "hidden_act": "silu", "vocab_size": .integer(Int64(vocabulary)),
      "hidden_size": .integer(Int64(hidden)), "intermediate_size": .integer(Int64(intermediate)),
      "num_hidden_layers": .integer(Int64(layers)),
      "num_attention_heads": .integer(Int64(queryHeads)),
      "num_key_value_heads": .integer(Int64(keyValueHeads)),
      "head_dim": .integer(Int64(headSize)), "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
      "rope_theta": 100.0, "tie_word_embeddings": false,
    ]
  }

  /// Fills `folder`.
  func write(to folder: String, seed: UInt64 = 1) throws {
    var random = SplitMix64(seed: seed)
    var file = SafetensorsFile()
    func add(_ name: String, _ shape: [Int], _ range: ClosedRange<Float>) {
      file.add(name, .F32, shape, random.floats(shape.reduce(1, *), in: range))
    }
    let (query, keyValue) = (queryHeads * headSize, keyValueHeads * headSize)
    add("model.embed_tokens.weight", [vocabulary, hidden], -1...1)
    add("lm_head.weight", [vocabulary, hidden], -1...1)
    add("model.norm.weight", [hidden], 0.5...1.5)
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)."
      add(prefix + "input_layernorm.weight", [hidden], 0.5...1.5)
      add(prefix + "post_attention_layernorm.weight", [hidden], 0.5...1.5)
      add(prefix + "self_attn.q_proj.weight", [query, hidden], -0.8...0.8)
      add(prefix + "self_attn.k_proj.weight", [keyValue, hidden], -0.8...0.8)
      add(prefix + "self_attn.v_proj.weight", [keyValue, hidden], -0.8...0.8)
      add(prefix + "self_attn.o_proj.weight", [hidden, query], -0.8...0.8)
      add(prefix + "mlp.gate_proj.weight", [intermediate, hidden], -0.8...0.8)
      add(prefix + "mlp.up_proj.weight", [intermediate, hidden], -0.8...0.8)
      add(prefix + "mlp.down_proj.weight", [hidden, intermediate], -0.8...0.8)
    }
    try TestSupport.write(file.bytes, to: folder + "/model.safetensors")
    try TestSupport.write(configuration.encodedBytes(), to: folder + "/config.json")
  }

  /// The same model twice.
  func build() throws -> (decoder: Decoder, naive: NaiveReader) {
    try withTemporaryFolder { folder in
      try write(to: folder)
      let decoder = try Decoder(
        files: try ModelFiles.open(path: folder), memory: memory, residency: .expanded,
        compute: Compute(threads: 1))
      return (
        decoder,
        try NaiveReader(folder: folder, configuration: decoder.configuration, memory: memory)
      )
    }
  }
}
