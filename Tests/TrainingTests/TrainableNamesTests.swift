import Foundation
import Modeling
import TestSupport
import Training
import Weights
import XCTest

/// What `--train-also` trains, against what the published `--trainable_params` selects.
///
/// The published names are suffixes of module names: `norm` finds both norms of every layer and the
/// last one, `ret_gate` the gates, and `embed` nothing, since the module is `embed_tokens`. Ours mean
/// what they say: `norm` the same norms, `gate` the same gates, `embed` the embedding.
final class TrainableNamesTests: XCTestCase {
  func testNorms() throws {
    for mode in [TrainingMode.loraAll, .loraFreeze] {
      let published = try published(mode, "norm,embed")
      XCTAssertEqual(try trained(mode, [.norm]), published)
      XCTAssertEqual(
        try trained(mode, [.norm, .embed]), published.union(["model.embed_tokens.weight"]))
    }
  }

  /// The memory layer (2) retrieves, so it has a gate, which `lora-freeze` freezes with its layer.
  func testGates() throws {
    for mode in [TrainingMode.loraAll, .loraFreeze] {
      XCTAssertEqual(try trained(mode, [.gate, .norm]), try published(mode, "ret_gate,norm,embed"))
      let gates = try trained(mode, [.gate]).subtracting(try trained(mode, []))
      XCTAssertEqual(
        gates,
        Set(
          (mode == .loraAll ? [2, 4] : [4]).map {
            "model.layers.\($0).self_attn.ret_gate.output_gate"
          })
      )
    }
  }

  private func published(_ mode: TrainingMode, _ names: String) throws -> Set<String> {
    let lists = try fixtureJSON("train-trainable-names.json")
    let list = try XCTUnwrap(lists["\(mode.rawValue) trainable_params=\(names)"]?.arrayValue)
    return Set(
      list.compactMap(\.stringValue).map {
        $0.dropFirst(Adapter.prefix.count).split(separator: ".")
          .filter { !["default", "modules_to_save"].contains($0) }.joined(separator: ".")
      })
  }

  private func trained(
    _ mode: TrainingMode, _ extras: [AdapterConfiguration.Extra]
  ) throws -> Set<String> {
    let folder = try modelFolder(
      configuration: "memlong-gate", weights: ["memlong-gate", "memlong-zero"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try ModelFiles.open(path: folder)
    let memory = try MemoryConfiguration(published: files.configuration)
    let decoder = try Decoder(files: files, memory: memory, compute: Compute(threads: 1))
    let all = 0..<decoder.configuration.layerCount
    decoder.addAdapters(
      AdapterConfiguration(
        rank: 2, alpha: 2, dropout: 0, targets: ["q_proj", "k_proj", "v_proj", "o_proj"],
        extras: extras), layers: all, seed: 1)
    try decoder.train(
      layers: mode.trainedLayers(memoryLayer: memory.memoryLayer, layerCount: all.count),
      extras: extras)
    return Set(decoder.parameters.filter(\.isTrained).map(\.name))
  }
}
