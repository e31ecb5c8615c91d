import Modeling
import Safetensors
import XCTest

/// The memory's fields in `config.json`.
final class MemoryConfigurationTests: XCTestCase {
  func testRoundTrip() throws {
    for source in MemoryConfiguration.Source.allCases {
      for positions in MemoryConfiguration.Positions.allCases {
        for precision in MemoryConfiguration.Precision.allCases {
          let memory = MemoryConfiguration(
            memoryLayer: 13, retrievalLayers: [13, 25, 17, 21], positions: positions,
            source: source, precision: precision, usesGate: positions == .zero, chunkTokens: 64)
          XCTAssertEqual(memory.retrievalLayers, [13, 17, 21, 25])
          XCTAssertEqual(
            try MemoryConfiguration(published: .object(memory.published)), memory)
        }
      }
    }
  }

  /// An unknown word is an error, not the default.
  func testFaultsAreNamed() throws {
    let sound = MemoryConfiguration(memoryLayer: 1, retrievalLayers: [1, 3]).published
    for (field, value): (String, JSONValue) in [
      ("position_type", "Absolute"), ("mem_source", "Own"), ("mem_source", 3),
      ("mem_dtype", "float8"), ("mem_dtype", 16), ("use_gate", "yes"), ("mem_layer", "13"),
      ("mem_layer", -1), ("ret_attn_layers", [1, "3"]), ("ret_attn_layers", [1, -3]),
      ("ret_attn_layers", "14..25"), ("ret_attn_layers", .null), ("mem_group_size", 0),
    ] {
      var fields = sound
      fields[field] = value
      XCTAssertThrowsError(try MemoryConfiguration(published: .object(fields)), field) { error in
        XCTAssertTrue("\(error)".contains(field), "\(error)")
      }
    }
  }

  func testLayersMustExist() throws {
    func validate(_ memoryLayer: Int, _ layers: [Int]) -> String {
      do {
        try MemoryConfiguration(memoryLayer: memoryLayer, retrievalLayers: layers)
          .validate(layerCount: 4)
        return ""
      } catch { return "\(error)" }
    }
    XCTAssertEqual(validate(0, [3]), "")
    XCTAssertEqual(validate(4, [3]), "layer 4 is not one of the model's layers 0…3")
    XCTAssertEqual(validate(1, [2, 5]), "layer 5 is not one of the model's layers 0…3")
    XCTAssertEqual(validate(1, []), "no retrieval layer is named")
    XCTAssertEqual(validate(1, [2, 2]), "a retrieval layer is named twice")
  }
}
