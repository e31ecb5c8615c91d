import Glibc
import Safetensors
import TestSupport
import Weights
import XCTest

/// Models in both forms: a llama GGUF translated, a Hugging Face folder as it is.
final class ModelFilesTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  private func open(_ builder: GGUFBuilder) throws -> ModelFiles {
    try ModelFiles.open(path: scratch.write("tiny.Q9.gguf", builder.bytes))
  }

  // MARK: GGUF

  func testLlamaConfiguration() throws {
    let model = try open(.tinyLlama())
    XCTAssertEqual(model.name, "tiny.Q9")
    let expected: JSONValue = [
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
      "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
      "num_key_value_heads": 1, "head_dim": 4, "max_position_embeddings": 64,
      "rms_norm_eps": .number(Double(Float(1e-5))), "rope_theta": .number(50000),
      "rope_scaling": nil, "vocab_size": 10, "tie_word_embeddings": false, "attention_bias": true,
      "mlp_bias": false, "bos_token_id": 1, "eos_token_id": 2,
    ]
    XCTAssertEqual(model.configuration, expected)
    XCTAssertEqual(try open(.tinyLlama(tied: true)).configuration["tie_word_embeddings"], true)
  }

  func testLlamaNamesAndRowOrder() throws {
    let model = try open(.tinyLlama())
    XCTAssertEqual(model.tensors.count, 27)
    for (name, shape) in [
      ("model.embed_tokens.weight", [10, 8]), ("lm_head.weight", [10, 8]),
      ("model.norm.weight", [8]), ("model.layers.1.input_layernorm.weight", [8]),
      ("model.layers.1.post_attention_layernorm.weight", [8]),
      ("model.layers.0.self_attn.v_proj.bias", [4]),
      ("model.layers.0.self_attn.o_proj.weight", [8, 8]),
      ("model.layers.0.mlp.gate_proj.weight", [12, 8]),
      ("model.layers.0.mlp.up_proj.weight", [12, 8]),
      ("model.layers.0.mlp.down_proj.weight", [8, 12]),
    ] {
      let tensor = try model.tensor(name, shape: shape)
      let first: Float = name.contains("layers.1") ? 1000 : 0
      XCTAssertEqual(tensor.floats(), (0..<tensor.count).map { first + Float($0) }, name)
    }
    // Heads of 4: rows 0 1 2 3 of a head are stored at 0 2 1 3.
    let query = try model.tensor("model.layers.1.self_attn.q_proj.weight", shape: [8, 8])
    let order = [0, 2, 1, 3, 4, 6, 5, 7]
    XCTAssertEqual(
      query.floats(), order.flatMap { row in (0..<8).map { Float(1000 + 8 * row + $0) } })
    var some = [Float](repeating: 0, count: 24)
    query.expand(rows: 1..<4, into: &some)
    XCTAssertEqual(some, [2, 1, 3].flatMap { row in (0..<8).map { Float(1000 + 8 * row + $0) } })
    XCTAssertEqual(
      try model.tensor("model.layers.0.self_attn.q_proj.bias").floats(), order.map { Float($0) })
    XCTAssertEqual(
      try model.tensor("model.layers.0.self_attn.k_proj.bias").floats(), [0, 2, 1, 3])
    assertContains(
      failure { try model.tensor("model.norm.weight", shape: [9]) },
      "tensor model.norm.weight has shape [8], expected [9]")
    assertContains(failure { try model.tensor("x") }, "tiny.Q9.gguf: tensor x is missing")
  }

  func testLlamaRefusals() {
    let cases: [(String, (inout GGUFBuilder) -> Void)] = [
      (
        "architecture qwen9 is not supported (supported: llama, qwen2, phi3, gemma)",
        {
          $0 = .tinyLlama(architecture: "qwen9")
        }
      ),
      ("architecture (none)", { $0.metadata.removeFirst() }),
      ("no metadata key llama.block_count", { $0.drop("llama.block_count") }),
      ("llama.block_count is 0", { $0.replace("llama.block_count", 0) }),
      ("head_count is not a count", { $0.replace("llama.attention.head_count", "2") }),
      ("3 heads of 2, 1 key-value", { $0.replace("llama.attention.head_count", 3) }),
      ("head counts must divide", { $0.replace("llama.attention.head_count_kv", 3) }),
      ("rotated whole", { $0.replace("llama.rope.dimension_count", 2) }),
      ("llama.vocab_size is 11", { $0.replace("llama.vocab_size", 11) }),
      ("llama.logit_scale 0.5 is not supported", { $0.set("llama.logit_scale", Float(0.5)) }),
      ("llama.attention.causal false", { $0.set("llama.attention.causal", false) }),
      (
        "llama.rope.dimension_sections of several",
        { $0.set("llama.rope.dimension_sections", [1, 2]) }
      ),
      ("llama.rope.scaling.attn_factor 2", { $0.set("llama.rope.scaling.attn_factor", Float(2)) }),
      ("llama.something_new 1", { $0.set("llama.something_new", UInt32(1)) }),
      ("diffusion.shift_logits true", { $0.set("diffusion.shift_logits", true) }),
      ("split.count 3", { $0.set("split.count", UInt32(3)) }),
      ("mixtures of experts", { $0.set("llama.expert_count", UInt32(8)) }),
      ("rope.scaling.type longrope", { $0.set("llama.rope.scaling.type", "longrope") }),
      ("rotary frequency factors", { $0.add("rope_freqs.weight", [2], floats: [1, 8]) }),
      ("blk.0.attn_q_norm.weight is not one", { $0.addIndexed("blk.0.attn_q_norm.weight", [4]) }),
      ("blk.2.attn_norm.weight is not one", { $0.addIndexed("blk.2.attn_norm.weight", [8]) }),
      ("no tensor token_embd.weight", { $0.tensors.removeFirst() }),
      (
        "tensor blk.0.attn_k.weight: shape [6, 8] is not 1 heads of 4",
        { builder in
          let index = builder.tensors.firstIndex { $0.name == "blk.0.attn_k.weight" }!
          builder.tensors.remove(at: index)
          builder.addIndexed("blk.0.attn_k.weight", [8, 6])
        }
      ),
    ]
    for (expected, spoil) in cases {
      var builder = GGUFBuilder.tinyLlama()
      spoil(&builder)
      assertContains(failure { try open(builder) }, expected)
    }
  }

  func testLlamaRopeScaling() throws {
    var linear = GGUFBuilder.tinyLlama()
    linear.set("llama.rope.scaling.type", "linear")
    linear.set("llama.rope.scaling.factor", Float(4))
    XCTAssertEqual(
      try open(linear).configuration["rope_scaling"], ["rope_type": "linear", "factor": 4.0])
    var yarn = GGUFBuilder.tinyLlama()
    yarn.set("llama.rope.scaling.type", "yarn")
    yarn.set("llama.rope.scaling.factor", Float(2))
    yarn.set("llama.rope.scaling.original_context_length", UInt32(32))
    yarn.add("rope_freqs.weight", [2], floats: [1, 1])
    XCTAssertEqual(
      try open(yarn).configuration["rope_scaling"],
      ["rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32])
    yarn.drop("llama.rope.scaling.original_context_length")
    yarn.set("llama.rope.scaling.yarn_beta_fast", Float(16))
    XCTAssertEqual(
      try open(yarn).configuration["rope_scaling"],
      [
        "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64,
        "beta_fast": 16.0,
      ])
    // llama.cpp's rule: without a type a factor is linear, with type none it is nothing.
    linear.drop("llama.rope.scaling.type")
    XCTAssertEqual(
      try open(linear).configuration["rope_scaling"], ["rope_type": "linear", "factor": 4.0])
    linear.set("llama.rope.scaling.type", "none")
    XCTAssertEqual(try open(linear).configuration["rope_scaling"], .null)
  }

  func testMetadataThatChangesNothing() throws {
    var builder = GGUFBuilder.tinyLlama()
    let plain = try open(builder).configuration
    builder.set("general.url", "x")
    builder.set("quantize.imatrix.file", "x")
    builder.set("llama.attention.causal", true)
    builder.set("llama.logit_scale", Float(1))
    builder.set("llama.expert_used_count", UInt32(0))
    builder.set("llama.rope.scaling.finetuned", true)
    XCTAssertEqual(try open(builder).configuration, plain)
  }

  func testTensorTypesAreRefusedWhenAskedFor() throws {
    var builder = GGUFBuilder.tinyLlama()
    let index = builder.tensors.firstIndex { $0.name == "output_norm.weight" }!
    builder.tensors[index].type = 26
    let model = try open(builder)
    assertContains(
      failure { try model.tensor("model.norm.weight") },
      "tensor model.norm.weight is stored as I32; supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, "
        + "Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K")
  }

  // MARK: Digest

  func testContentHashEqualsXXH64() {
    // libxxhash 0.8.1 on the bytes 1, 8, 15, … (7i + 1 mod 256)
    for (count, expected) in [
      (0, 0xef46_db37_51d8_e999), (1, 0x8a41_2781_1b21_e730), (3, 0xb6e6_c910_c2fd_373a),
      (4, 0x22ed_a2cf_6af4_c124), (7, 0x3408_4d91_a233_a751), (8, 0xc6f1_803a_5e0b_3222),
      (31, 0x6ab1_c40e_29f5_0073), (32, 0x5a07_56fb_e9ec_d3d1), (33, 0xdc50_cdc3_7bb9_c183),
      (101, 0x6bf4_5217_6f29_bc13), (1000, 0x6be0_3acb_f959_c413),
    ] as [(Int, UInt64)] {
      let bytes = (0..<count).map { UInt8(($0 * 7 + 1) % 256) }
      XCTAssertEqual(bytes.withUnsafeBytes { contentHash($0) }, expected, "\(count) bytes")
    }
  }

  func testDigestNamesTheContent() throws {
    let builder = GGUFBuilder.tinyLlama()
    let model = try open(builder)
    let moved = try ModelFiles.open(path: scratch.write("other.gguf", builder.bytes))
    XCTAssertEqual(model.digest, moved.digest)
    XCTAssertEqual(model.digest.count, 16)
    var changed = builder.bytes
    changed[changed.count - 40] ^= 1
    XCTAssertNotEqual(
      model.digest, try ModelFiles.open(path: scratch.write("other.gguf", changed)).digest)
    let folder = try installGQA("a")
    let digest = try ModelFiles.open(path: folder).digest
    XCTAssertEqual(digest, try ModelFiles.open(path: installGQA("b")).digest)
    scratch.write("b/config.json", "{}")
    XCTAssertNotEqual(digest, try ModelFiles.open(path: scratch.file("b")).digest)
  }

  // MARK: Hugging Face folders

  private func installGQA(_ name: String) throws -> String {
    let folder = scratch.makeFolder(name)
    for (from, to) in [
      ("config.json", "config.json"), ("weights.safetensors", "model.safetensors"),
    ] {
      scratch.write(name + "/" + to, try readBytes(fixture("llama-gqa/" + from)))
    }
    return folder
  }

  func testFolderWithOneFile() throws {
    let model = try ModelFiles.open(path: installGQA("llama-gqa") + "/")
    XCTAssertEqual(model.name, "llama-gqa")
    XCTAssertEqual(model.configuration["num_key_value_heads"]?.intValue, 2)
    XCTAssertEqual(model.tensors.count, 39)
    let key = try model.tensor("model.layers.3.self_attn.k_proj.weight", shape: [32, 64])
    XCTAssertEqual(key.storage, .f32)
    // The bytes, found by the offsets printed in the fixture's header.
    let bytes = try readBytes(fixture("llama-gqa/weights.safetensors"))
    let start = 8 + 3984 + 546_304
    let expected = bytes[start..<start + 8192].withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    XCTAssertEqual(key.floats(), expected)
  }

  private func installSharded(_ index: JSONValue) -> String {
    var one = SafetensorsFile()
    one.add("a", .F32, [2], [1, 2] as [Float])
    var two = SafetensorsFile()
    two.add("b", .BF16, [2], [0x3f80, 0x4000] as [UInt16])
    two.add("ids", .I64, [1], [9] as [Int64])
    scratch.write("config.json", "{}")
    scratch.write("model-1.safetensors", one.bytes)
    scratch.write("model-2.safetensors", two.bytes)
    scratch.write("model.safetensors.index.json", index.encoded)
    return scratch.path
  }

  func testShardedFolder() throws {
    let model = try ModelFiles.open(
      path: installSharded([
        "weight_map": ["a": "model-1.safetensors", "b": "model-2.safetensors"]
      ]))
    XCTAssertEqual(Set(model.tensors.keys), ["a", "b"])
    XCTAssertEqual(try model.tensor("b").floats(), [1, 2])
    assertContains(
      failure { try model.tensor("ids") }, "tensor ids is stored as I64; supported are F32")
  }

  func testIndexFaults() {
    for (file, expected) in [
      ("../model-1.safetensors", "leads out of the folder"),
      ("/etc/passwd", "leads out of the folder"), ("x/../../y", "leads out of the folder"),
      ("", "leads out of the folder"), ("model-2.safetensors", "no tensor a, which the index"),
      ("absent.safetensors", "absent.safetensors: No such file"),
    ] {
      let folder = installSharded(["weight_map": ["a": .string(file)]])
      assertContains(failure { try ModelFiles.open(path: folder) }, expected)
    }
    for index in [["weight_map": ["a": 1]], [:], ["weight_map": []]] as [JSONValue] {
      assertContains(failure { try ModelFiles.open(path: installSharded(index)) }, "weight_map")
    }
    let folder = installSharded([
      "weight_map": ["a": "model-1.safetensors", "b": "model-2.safetensors"]
    ])
    var again = SafetensorsFile()
    again.add("a", .F32, [1], [1] as [Float])
    again.add("b", .F32, [1], [1] as [Float])
    scratch.write("model-2.safetensors", again.bytes)
    assertContains(
      failure { try ModelFiles.open(path: folder) },
      "tensor a is in both model-1.safetensors and model-2.safetensors")
  }

  func testIncompleteFolders() {
    let folder = scratch.makeFolder("empty")
    assertContains(failure { try ModelFiles.open(path: folder) }, "config.json: No such file")
    scratch.write("empty/config.json", "[]")
    assertContains(failure { try ModelFiles.open(path: folder) }, "not a JSON object")
    scratch.write("empty/config.json", "{}")
    assertContains(
      failure { try ModelFiles.open(path: folder) },
      "empty: no weights: neither model.safetensors nor pytorch_model.bin")
  }
}

extension GGUFBuilder {
  fileprivate mutating func drop(_ key: String) { metadata.removeAll { $0.key == key } }

  fileprivate mutating func replace(_ key: String, _ value: UInt32) {
    drop(key)
    set(key, value)
  }

  fileprivate mutating func replace(_ key: String, _ value: String) {
    drop(key)
    set(key, value)
  }
}
