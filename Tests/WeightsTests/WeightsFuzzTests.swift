import Glibc
import Safetensors
import TestSupport
import Weights
import XCTest

/// Every reader of model files on damaged files (see `fuzz`).
final class WeightsFuzzTests: XCTestCase {
  private var folder = ""

  override func setUp() {
    // in memory, where it can be
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(base)/memlong-fuzz-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  override func tearDown() {
    for name in folderNames(folder) { unlink(folder + "/" + name) }
    rmdir(folder)
  }

  private func put(_ name: String, _ bytes: [UInt8]) {
    let path = folder + "/" + name
    unlink(path)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
    precondition(write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
  }

  /// Opens a model and reads all it offers.
  private func exercise(_ path: String) throws {
    do {
      let model = try ModelFiles.open(path: path)
      for tensor in model.tensors.values { _ = tensor.floats() }
      if let gguf = model.gguf { _ = try GGUFTokenizer(gguf) }
    } catch is WeightsError {}
  }

  private var safetensors: [UInt8] {
    var file = SafetensorsFile(metadata: ["format": "pt"])
    file.add("a", .F32, [2, 3], [Float](repeating: 1, count: 6))
    file.add("b", .F16, [4], [UInt16](repeating: 2, count: 4))
    file.add("c", .BF16, [1, 4], [UInt16](repeating: 3, count: 4))
    file.add("ids", .I64, [2], [1, 2] as [Int64])
    return file.bytes
  }

  func testSafetensors() throws {
    put("config.json", Array("{}".utf8))
    try fuzz("safetensors", seeds: [safetensors]) {
      put("model.safetensors", $0)
      try exercise(folder)
    }
  }

  func testGGUF() throws {
    var model = GGUFBuilder.tinyLlama()
    model.set("tokenizer.ggml.model", "gpt2")
    model.set("tokenizer.ggml.pre", "smollm")
    for (key, texts) in [("tokens", ["a", "b", "ab"]), ("merges", ["a b"])] {
      let strings = texts.flatMap { string($0) }
      model.set(
        "tokenizer.ggml." + key, 9,
        littleEndian(UInt32(8)) + littleEndian(UInt64(texts.count)) + strings)
    }
    model.set(
      "tokenizer.ggml.token_type", 9,
      littleEndian(UInt32(5)) + littleEndian(UInt64(2)) + [1, 0, 0, 0, 1, 0, 0, 0])
    var scored = model
    scored.set("tokenizer.ggml.model", "llama")
    scored.set(
      "tokenizer.ggml.scores", 9,
      littleEndian(UInt32(6)) + littleEndian(UInt64(3)) + [0, 0, 0, 0, 0, 0, 128, 191, 0, 0, 0, 0])
    // the header is what is read by rules; the numbers are any numbers
    let seeds = [model.bytes, scored.bytes, GGUFBuilder.tinyLlama(tied: true).bytes]
    try fuzz("gguf", seeds: seeds) {
      put("m.gguf", $0)
      try exercise(folder + "/m.gguf")
    }
  }

  func testGGUFTypes() throws {
    try fuzz("gguf-types", seeds: [fixtureBytes("gguf-types/types.gguf")]) {
      put("m.gguf", $0)
      do {
        let file = try GGUFFile(path: folder + "/m.gguf")
        for tensor in file.tensors { _ = try? file.tensor(tensor.name).floats() }
      } catch is WeightsError {}
    }
  }

  private var pickle: [UInt8] {
    let storage = Pickle.storage("FloatStorage", "0", count: 12)
    let parameter =
      Pickle.global("torch._utils", "_rebuild_parameter")
      + Pickle.tuple([
        Pickle.tensor(storage, shape: [3, 4], strides: [1, 3]), [0x88],
        Pickle.emptyOrderedDictionary,
      ]) + [0x52]
    let half = Pickle.storage("HalfStorage", "1", count: 6)
    let items =
      Pickle.text("a") + Pickle.tensor(storage, offset: 2, shape: [2, 3], strides: [4, 1])
      + Pickle.text("p") + parameter
      + Pickle.text("h") + Pickle.tensor(half, shape: [6], strides: [1]) + [0x71, 1]
      + Pickle.text("tied") + [0x68, 1]
    let metadata = [0x7d] + Pickle.text("_metadata") + [0x7d] + Array("sb".utf8)
    return [0x80, 2] + Pickle.emptyOrderedDictionary + [0x71, 0, 0x28] + items
      + Array("u".utf8) + metadata + [0x2e]
  }

  private func checkpoint(_ pickle: [UInt8], isWide: Bool = false) -> [UInt8] {
    var builder = CheckpointBuilder(
      pickle: pickle,
      storages: [[UInt8](repeating: 1, count: 48), [UInt8](repeating: 2, count: 12)])
    builder.isWide = isWide
    return builder.bytes
  }

  func testTorchPickle() throws {
    put("config.json", Array("{}".utf8))
    put("pytorch_model.bin", checkpoint(pickle))
    XCTAssertEqual(try ModelFiles.open(path: folder).tensors.count, 4)
    try fuzz("torch-pickle", seeds: [pickle]) {
      put("pytorch_model.bin", checkpoint($0))
      try exercise(folder)
    }
  }

  func testTorchZip() throws {
    put("config.json", Array("{}".utf8))
    let seeds = [checkpoint(pickle), checkpoint(pickle, isWide: true)]
    try fuzz("torch-zip", seeds: seeds) {
      put("pytorch_model.bin", $0)
      try exercise(folder)
    }
  }

  func testIndexAndConfiguration() throws {
    put("a.safetensors", safetensors)
    let index = """
      {"metadata": {"total_size": 40}, "weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}
      """
    try fuzz("index", seeds: [Array(index.utf8)]) {
      put("config.json", $0)
      put("model.safetensors.index.json", $0)
      try exercise(folder)
    }
  }

  func testAdapter() throws {
    let config = """
      {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "bias": "none",
       "target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1, 2],
       "modules_to_save": null, "use_rslora": false}
      """
    put("adapter_model.safetensors", safetensors)
    try fuzz("adapter", seeds: [Array(config.utf8)]) {
      put("adapter_config.json", $0)
      do {
        let adapter = try Adapter.read(folder: folder)
        _ = try LoRAConfiguration(adapter.configuration, path: folder)
      } catch is WeightsError {}
    }
  }
}
