import Foundation
import ModelSupport
import Modeling
import Safetensors
import TestSupport
import Weights
import XCTest

/// Adapters that stand on adapters, as saved, loaded and merged.
final class AdapterChainTests: XCTestCase {
  private let tokens: [Int32] = (0..<40).map { Int32($0 * 7 % 199) }
  private let adapter = AdapterConfiguration(
    rank: 4, alpha: 8, dropout: 0, targets: ["q_proj", "v_proj", "down_proj"], extras: [.norm])

  func testAdapterComesBackWithTheOneItStandsOn() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, expected) = try twoStages(in: folder)
      try FileManager.default.removeItem(atPath: folder + "/stage1")
      let moved = folder + "/elsewhere"
      try FileManager.default.moveItem(atPath: stage2, toPath: moved)
      let loaded = try load(model, adapter: moved)
      XCTAssertLessThan(difference(logits(loaded.decoder), expected), 1e-4)
      XCTAssertEqual(loaded.decoder.memory?.retrievalLayers, [2, 4])
    }
  }

  func testAnAdapterSaysWhatItWasTrainedBeside() throws {
    try withTemporaryFolder { folder in
      let (_, stage2, _) = try twoStages(in: folder)
      let alone = try LoadedModel.context(ofAdapter: folder + "/stage1")
      XCTAssert(alone.isTrained && alone.context == nil)
      let beside = try LoadedModel.context(ofAdapter: stage2)
      XCTAssert(beside.isTrained)
      XCTAssertEqual(beside.context, SlidingContext(tokens: 132, sinks: 4))
      let path = stage2 + "/config.json"
      func rewrite(_ name: String, _ value: JSONValue?) throws {
        var config = try JSONValue(parsing: readBytes(path)).objectValue ?? [:]
        config[name] = value
        try write(JSONValue.object(config).encodedBytes(), to: path)
      }
      for (name, value) in [("sinks", 132), ("context_tokens", 0), ("sinks", -1)] {
        let bytes = try readBytes(path)
        try rewrite(name, .integer(Int64(value)))
        XCTAssertThrowsError(try LoadedModel.context(ofAdapter: stage2)) {
          XCTAssert("\($0)".hasPrefix("\(path): config: \(name) is \(value), not in "), "\($0)")
        }
        try write(bytes, to: path)
      }
      // A plain PEFT adapter says nothing of memory.
      try rewrite("mem_layer", nil)
      XCTAssertFalse(try LoadedModel.context(ofAdapter: stage2).isTrained)
      try FileManager.default.removeItem(atPath: path)
      XCTAssertFalse(try LoadedModel.context(ofAdapter: stage2).isTrained)
    }
  }

  func testMergedModelGivesTheSameLogits() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, expected) = try twoStages(in: folder)
      for (precision, tolerance) in [(MergedPrecision.f32, Float(1e-4)), (.bf16, 0.5)] {
        let merged = folder + "/merged-\(precision)"
        _ = try load(model, adapter: stage2).writeMerged(folder: merged, precision: precision)
        let again = try load(merged, adapter: nil)
        XCTAssertLessThan(difference(logits(again.decoder), expected), tolerance)
      }
    }
  }

  func testAnotherFoundationIsRefused() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, _) = try twoStages(in: folder)
      let below = stage2 + "/" + LoadedModel.foundationFolder + "/adapter_config.json"
      let handle = try XCTUnwrap(FileHandle(forWritingAtPath: below))
      handle.seekToEndOfFile()
      handle.write(Data(" ".utf8))
      try handle.close()
      XCTAssertThrowsError(try load(model, adapter: stage2)) {
        XCTAssertTrue("\($0)".contains("the adapter stands on"), "\($0)")
      }
    }
  }

  func testHalfAnAdapterIsRefused() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, _) = try twoStages(in: folder)
      try unseal(stage2)
      let whole = try Adapter.read(folder: stage2)
      for name in [
        "model.layers.3.self_attn.q_proj.lora_B.weight", "model.layers.5.input_layernorm.weight",
        "model.norm.weight",
      ] {
        var half = whole
        XCTAssertNotNil(half.tensors.removeValue(forKey: Adapter.prefix + name))
        try half.write(folder: stage2)
        XCTAssertThrowsError(try load(model, adapter: stage2)) {
          XCTAssertEqual("\($0)", "\(stage2): adapter: tensor \(name) is missing")
        }
      }
      // One with as many values in another shape.
      var turned = whole
      let name = Adapter.prefix + "model.layers.3.self_attn.q_proj.lora_A.weight"
      turned.tensors[name]?.shape.reverse()
      try turned.write(folder: stage2)
      XCTAssertThrowsError(try load(model, adapter: stage2))
    }
  }

  /// A bit that turned anywhere in an adapter or in the one it stands on.
  func testDamageIsRefused() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, _) = try twoStages(in: folder)
      XCTAssert(try Adapter.checkSeal(folder: stage2))
      for part in ["", "base_adapter/"] {
        for name in ["config.json", "adapter_config.json", "adapter_model.safetensors"] {
          let path = "\(stage2)/\(part)\(name)"
          let bytes = try readBytes(path)
          for number in 0..<9 {
            var damaged = bytes
            damaged[(2 * number + 1) * bytes.count / 18] ^= 1 << (number % 4)
            try write(damaged, to: path)
            XCTAssertThrowsError(try load(model, adapter: stage2), "\(path), \(number)")
          }
          try write(bytes, to: path)
        }
      }
      XCTAssertNoThrow(try load(model, adapter: stage2))
      try unseal(stage2)
      XCTAssertFalse(try Adapter.checkSeal(folder: stage2))
      XCTAssertNoThrow(try load(model, adapter: stage2))
    }
  }

  /// As a folder that PEFT wrote.
  private func unseal(_ folder: String) throws {
    var config = try JSONValue(parsing: readBytes(folder + "/config.json")).objectValue ?? [:]
    XCTAssertNotNil(config.removeValue(forKey: "adapter_digest"))
    try write(JSONValue.object(config).encodedBytes(), to: folder + "/config.json")
  }

  func testMergingDoesNotOverwriteTheBase() throws {
    try withTemporaryFolder { folder in
      let (model, stage2, _) = try twoStages(in: folder)
      let loaded = try load(model, adapter: stage2)
      XCTAssertThrowsError(try loaded.writeMerged(folder: model + "/.", precision: .f32)) {
        XCTAssertTrue("\($0)".contains("is the base model"), "\($0)")
      }
    }
  }

  /// Two random adapters, the second saved on top of the first, and the logits with both.
  private func twoStages(in folder: String) throws -> (
    model: String, stage2: String, logits: [Float]
  ) {
    let model = folder + "/model"
    try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: true)
    for (source, name) in [
      ("config.json", "config.json"), ("weights.safetensors", "model.safetensors"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: model + "/" + name, withDestinationPath: fixture("memlong-zero/\(source)"))
    }
    let memory = MemoryConfiguration(memoryLayer: 2, retrievalLayers: [2, 4], chunkTokens: 16)
    var fields = LoadedModel.RunFields(topK: 3, memoryTokens: 4096, segmentTokens: 64)
    var foundation: String?
    var expected: [Float] = []
    for stage in 1...2 {
      let loaded = try load(model, adapter: foundation, memory: memory)
      loaded.decoder.addAdapters(adapter, layers: 0..<6, seed: UInt64(stage))
      shake(loaded.decoder, seed: UInt64(stage))
      let path = folder + "/stage\(stage)"
      fields.context = stage == 2 ? .standard(segmentTokens: 64) : nil
      try loaded.saveAdapter(
        adapter, layers: 0..<6, folder: path, foundation: foundation, fields: fields)
      foundation = path
      expected = logits(loaded.decoder)
    }
    return (model, folder + "/stage2", expected)
  }

  /// Moves every adapter and norm away from where it starts.
  private func shake(_ decoder: Decoder, seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    for parameter in decoder.parameters {
      for index in 0..<parameter.count {
        parameter.value.pointer[index] += Float.random(in: -0.1...0.1, using: &generator)
      }
    }
  }

  private func load(_ model: String, adapter: String?, memory: MemoryConfiguration? = nil) throws
    -> LoadedModel
  {
    let stored = try adapter.flatMap { try LoadedModel.memory(ofAdapter: $0) }
    return try LoadedModel(
      path: model, adapter: adapter, memory: { _ in memory ?? stored }, residency: .expanded,
      threads: 1)
  }

  private func logits(_ decoder: Decoder) -> [Float] {
    let pass = DecoderPass(decoder, maximumTokens: tokens.count)
    pass.forward(Segment(tokens: tokens, targets: Segment.shifted(tokens)))
    return pass.logits(Array(tokens.indices)).flatMap { $0 }
  }

  private func difference(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
  }
}
