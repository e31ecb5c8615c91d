import Glibc
import Safetensors
import TestSupport
import Weights
import XCTest

final class AdapterTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }
  private let reference = fixture("train-lora-freeze/adapter_init")

  private var tiny: Adapter {
    let lora = LoRAConfiguration(rank: 2, alpha: 4, dropout: 0, targetModules: ["q_proj"])
    return Adapter(
      configuration: lora.json,
      tensors: [
        Adapter.factorName("A", of: "model.layers.0.self_attn.q_proj.weight"):
          .init(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
      ])
  }

  func testPEFTFolderReadAndWrittenAgainIsTheSame() throws {
    let adapter = try Adapter.read(folder: reference)
    XCTAssertEqual(adapter.tensors.count, 62)
    let norm = Adapter.wholeName(of: "model.layers.5.input_layernorm.weight")
    XCTAssertEqual(adapter.tensors[norm]?.shape, [64])
    let factor = Adapter.factorName("B", of: "model.layers.5.self_attn.q_proj.weight")
    XCTAssertEqual(factor, "base_model.model.model.layers.5.self_attn.q_proj.lora_B.weight")
    XCTAssertEqual(adapter.tensors[factor]?.shape, [64, 8])
    let copy = scratch.file("copy")
    try adapter.write(folder: copy)
    for name in [Adapter.configurationFile, Adapter.weightsFile] {
      XCTAssertEqual(
        String(decoding: try readBytes(copy + "/" + name).prefix(8000), as: UTF8.self),
        String(decoding: try readBytes(reference + "/" + name).prefix(8000), as: UTF8.self), name)
    }
    XCTAssertEqual(
      try Adapter.digest(folder: copy), try Adapter.digest(folder: reference),
      "written bytes differ from PEFT's")
  }

  func testConfiguration() throws {
    let json = try Adapter.read(folder: reference).configuration
    let lora = try LoRAConfiguration(json, path: "adapter_config.json")
    XCTAssertEqual(
      lora,
      LoRAConfiguration(
        rank: 8, alpha: 8, dropout: 0, targetModules: ["o_proj", "v_proj", "k_proj", "q_proj"],
        modulesToSave: ["norm", "embed_tokens"]))
    XCTAssertEqual(lora.json, json)
    XCTAssertEqual(lora.scaling, 1)
    var stabilised = lora
    stabilised.rank = 16
    stabilised.usesRankStabilisedScaling = true
    XCTAssertEqual(stabilised.scaling, 2)
    XCTAssertEqual(try LoRAConfiguration(stabilised.json, path: "x"), stabilised)
  }

  func testConfigurationsThatComputeSomethingElseAreRefused() throws {
    let good = try XCTUnwrap(tiny.configuration.objectValue)
    for (key, value, expected) in [
      ("peft_type", "IA3", "peft_type is not LORA"), ("use_dora", true, "use_dora"),
      ("bias", "all", "bias \"all\""),
      ("init_lora_weights", "pissa", "init_lora_weights \"pissa\""),
      ("init_lora_weights", "pissa_niter_4", "init_lora_weights \"pissa_niter_4\""),
      ("init_lora_weights", "olora", "init_lora_weights \"olora\""),
      ("init_lora_weights", "loftq", "init_lora_weights \"loftq\""),
      ("alpha_pattern", ["q_proj": 4], "alpha_pattern"), ("lora_bias", true, "lora_bias true"),
      ("layer_replication", [[0, 2]], "layer_replication"),
      ("target_parameters", ["x"], "target_parameters"),
      ("trainable_token_indices", [1], "trainable_token_indices"),
      ("exclude_modules", ["q_proj"], "exclude_modules"), ("layers_pattern", "h", "layers_pattern"),
      ("kasa_config", ["k": 1], "kasa_config"), ("use_bdlora", ["k": 1], "use_bdlora"),
      ("alora_invocation_tokens", [1], "alora_invocation_tokens"),
      ("something_new", 1, "something_new 1 is not supported"),
      ("modules_to_save", "norm", "modules_to_save is not"),
      ("lora_dropout", "x", "lora_dropout is not"),
      ("rank_pattern", ["q_proj": 4], "rank_pattern"),
      ("layers_to_transform", "x", "layers_to_transform"), ("r", 0, "r is not"),
      ("lora_alpha", "8", "lora_alpha"), ("target_modules", [1], "target_modules"),
    ] as [(String, JSONValue, String)] {
      var fields = good
      fields[key] = value
      let message = failure { try LoRAConfiguration(.object(fields), path: "a/b.json") }
      assertContains(message, "a/b.json: " + expected)
    }
  }

  /// The fields that PEFT 0.21.2 writes, as they are where nothing is switched on; other beginnings.
  func testConfigurationOfPEFT21() throws {
    var fields = try XCTUnwrap(fixtureJSON("adapter-config-peft21.json").objectValue)
    for beginning in [true, false, "gaussian", "eva", "orthogonal"] as [JSONValue] {
      fields["init_lora_weights"] = beginning
      let lora = try LoRAConfiguration(.object(fields), path: "x")
      XCTAssertEqual(lora.targetModules, ["q_proj", "v_proj"])
    }
  }

  func testReplacingKeepsOtherFiles() throws {
    let folder = scratch.file("adapter")
    let config: JSONValue = ["mem_layer": 13]
    try tiny.write(folder: folder + "/", extraFiles: ["config.json": config.encodedBytes()])
    XCTAssertEqual(
      folderNames(folder), ["adapter_config.json", "adapter_model.safetensors", "config.json"])
    XCTAssertEqual(
      try Adapter.readExtra("config.json", folder: folder)?["mem_layer"]?.intValue, 13)
    XCTAssertNil(try Adapter.readExtra("absent.json", folder: folder))
    _ = scratch.makeFolder("adapter/checkpoints")
    scratch.write("adapter/checkpoints/1", "x")
    scratch.write("adapter/log.jsonl", "y")

    var changed = tiny
    changed.tensors = [:]
    try changed.write(folder: folder, extraFiles: ["config.json": Array("{}".utf8)])
    XCTAssert(try Adapter.read(folder: folder).tensors.isEmpty)
    XCTAssertEqual(try readBytes(folder + "/config.json"), Array("{}".utf8))
    XCTAssertEqual(try readBytes(folder + "/log.jsonl"), Array("y".utf8))
    XCTAssertEqual(try readBytes(folder + "/checkpoints/1"), Array("x".utf8))
    XCTAssertEqual(scratch.names(), ["adapter"])
  }

  func testALinkKeepsPointingAtTheAdapter() throws {
    try tiny.write(folder: scratch.file("real"))
    symlink("real", scratch.file("latest"))
    var changed = tiny
    changed.tensors = [:]
    try changed.write(folder: scratch.file("latest"))
    XCTAssert(try Adapter.read(folder: scratch.file("real")).tensors.isEmpty)
    XCTAssertEqual(scratch.names(), ["latest", "real"])
  }

  func testWhatIsNoAdapterIsNotReplaced() throws {
    let precious = scratch.makeFolder("precious")
    scratch.write("precious/thesis.tex", "z")
    assertContains(
      failure { try tiny.write(folder: precious) }, "has no adapter_config.json: not replaced")
    XCTAssertEqual(folderNames(precious), ["thesis.tex"])
    let file = scratch.write("file", "z")
    assertContains(failure { try tiny.write(folder: file) }, "exists and is not a folder")
    try tiny.write(folder: scratch.makeFolder("empty"))
    XCTAssertEqual(try Adapter.read(folder: scratch.file("empty")).tensors, tiny.tensors)
    XCTAssertEqual(scratch.names(), ["empty", "file", "precious"])
  }

  func testFoldersInsideAreWrittenAndReplaced() throws {
    let folder = scratch.file("adapter")
    for content in [[1], [2]] as [[UInt8]] {
      try tiny.write(folder: folder, extraFiles: ["below/file": content])
      XCTAssertEqual(try MappedFile(path: folder + "/below/file").withBytes { Array($0) }, content)
    }
    XCTAssertEqual(scratch.names(), ["adapter"])
  }

  func testFailedWritesLeaveNothing() {
    assertContains(failure { try tiny.write(folder: scratch.file("no/adapter")) }, "No such file")
    for name in ["../x", "a/../../b", "", ".."] {
      assertContains(
        failure { try tiny.write(folder: scratch.file("a"), extraFiles: [name: []]) },
        "leads out of the folder")
    }
    let long = String(repeating: "n", count: 300)
    assertContains(
      failure { try tiny.write(folder: scratch.file("a"), extraFiles: [long: []]) }, "/a: ")
    XCTAssertEqual(scratch.names(), [])
  }

  func testMalformedAdapters() throws {
    let folder = scratch.file("adapter")
    assertContains(failure { try Adapter.read(folder: folder) }, "adapter_config.json: No such")
    try tiny.write(folder: folder)
    var file = SafetensorsFile()
    file.add("x", .I64, [1], [1] as [Int64])
    scratch.write("adapter/adapter_model.safetensors", file.bytes)
    assertContains(
      failure { try Adapter.read(folder: folder) }, "tensor x is stored as I64; expected F32")
    scratch.write("adapter/adapter_config.json", "{")
    assertContains(failure { try Adapter.read(folder: folder) }, "adapter_config.json: not JSON")
  }
}
