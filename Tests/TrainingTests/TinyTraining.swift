import Foundation
import Records
import Safetensors
import ShardIO
import TestSupport

/// What `ml-train` reads, made in a folder: a Llama with random weights, chunks of random tokens, a
/// random plan over them.
struct TinyTraining {
  let folder: String
  private let vocabulary = 64

  var model: String { folder + "/model" }
  var chunks: String { folder + "/chunks.mls" }
  var plan: String { folder + "/plan.mls" }

  /// - Parameter documents: segments of each; a segment has 4 chunks of 8 tokens.
  init(folder: String, documents: [Int], seed: UInt64 = 1, planSeed: UInt64? = nil) throws {
    self.folder = folder
    try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: true)
    try writeModel(seed: seed)
    let digest = try writeChunks(documents, seed: seed)
    try writePlan(documents, chunks: digest, seed: planSeed ?? seed)
  }

  private func writeModel(seed: UInt64) throws {
    let config: JSONValue = [
      "model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
      "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
      "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
      "hidden_act": "silu", "tie_word_embeddings": false,
    ]
    try write(Array(config.encoded.utf8), to: model + "/config.json")
    var random = SplitMix64(seed: seed)
    var file = SafetensorsFile(metadata: ["format": "pt"])
    func add(_ name: String, _ shape: [Int]) {
      let values = random.floats(shape.reduce(1, *), in: -0.3...0.3)
      file.add(name, .F32, shape, shape.count == 1 ? values.map { 1 + $0 } : values)
    }
    add("model.embed_tokens.weight", [64, 32])
    for layer in 0..<4 {
      let prefix = "model.layers.\(layer)."
      for (name, shape) in [
        ("q_proj", [32, 32]), ("k_proj", [16, 32]), ("v_proj", [16, 32]), ("o_proj", [32, 32]),
      ] { add(prefix + "self_attn.\(name).weight", shape) }
      for (name, shape) in [
        ("gate_proj", [48, 32]), ("up_proj", [48, 32]), ("down_proj", [32, 48]),
      ] { add(prefix + "mlp.\(name).weight", shape) }
      add(prefix + "input_layernorm.weight", [32])
      add(prefix + "post_attention_layernorm.weight", [32])
    }
    add("model.norm.weight", [32])
    add("lm_head.weight", [64, 32])
    try write(file.bytes, to: model + "/model.safetensors")
  }

  private func writeChunks(_ documents: [Int], seed: UInt64) throws -> Digest {
    let sink = MemorySink()
    let writer = ChunkWriter(
      sink: sink,
      parameters: ChunkParameters(
        chunkTokens: 8, segmentTokens: 32, pack: "document", sources: ["a"],
        tokenizer: TokenizerIdentity(name: "t", vocabularySize: vocabulary, digest: "00")),
      provenance: nil)
    var random = SplitMix64(seed: seed &+ 1)
    for (document, segments) in documents.enumerated() {
      for row in 0..<segments * 4 {
        // The last chunk of a document is short.
        let count = row == segments * 4 - 1 ? 5 : 8
        try writer.append(
          Chunk(
            tokens: random.integers(count, in: 0..<vocabulary).map { Int32($0) },
            document: Int64(document), ordinal: Int32(row), segment: Int32(row / 4), source: 0,
            text: Array("x".utf8)))
      }
    }
    let digest = try writer.finish()
    try write(sink.bytes, to: chunks)
    return digest
  }

  /// Every segment reads up to three earlier chunks of its document.
  private func writePlan(_ documents: [Int], chunks digest: Digest, seed: UInt64) throws {
    let sink = MemorySink()
    let writer = PlanWriter(
      sink: sink,
      parameters: PlanParameters(
        topK: 3, memoryTokens: 0, eviction: "none", reset: "document", query: "previous",
        queryTokens: 8, blockTokens: 32, chunkTokens: 8, segmentTokens: 32),
      provenance: nil)
    var random = SplitMix64(seed: seed &+ 2)
    var first = 0
    for segments in documents {
      for segment in 0..<segments {
        let row = first + segment * 4
        let found = Set(
          (0..<3).map { _ in first + Int(random.next() % UInt64(max(1, row - first))) })
        let rows = segment == 0 ? [] : found.sorted()
        try writer.append(
          PlanRow(
            row: Int64(row), neighbours: rows.map { Int64($0) }, scores: rows.map { _ in 0.5 },
            live: Int32(row - first)))
      }
      first += segments * 4
    }
    try writer.finish(
      chunksDigest: digest, embeddingsDigest: Digest.combining([]), chunkRows: first)
    try write(sink.bytes, to: plan)
  }

  /// The command line of a run that writes `output`.
  func arguments(_ output: String, _ more: [String] = []) -> [String] {
    [
      "--stage", "1", "--model", model, "--plan", plan, "-o", folder + "/" + output,
      "--lora-rank", "4", "--lora-dropout", "0.1", "--learning-rate", "1e-2", "--warmup-steps", "2",
      "--schedule", "cosine", "--accumulation", "1", "--layout", "published", "--memory-layer", "1",
    ] + more + [chunks]
  }

  /// The bytes of an adapter's files, by name.
  func adapter(_ output: String) throws -> [String: [UInt8]] {
    let path = folder + "/" + output
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    return Dictionary(
      uniqueKeysWithValues: try names.map { ($0, try readBytes(path + "/" + $0)) })
  }

  /// A log's lines without what depends on the machine.
  func log(_ name: String) throws -> [[String: JSONValue]] {
    let text = String(decoding: try readBytes(folder + "/" + name), as: UTF8.self)
    return try text.split(separator: "\n").map { line in
      var object = try JSONValue(parsing: Array(line.utf8)).objectValue ?? [:]
      object["tokens_per_second"] = nil
      return object
    }
  }
}
