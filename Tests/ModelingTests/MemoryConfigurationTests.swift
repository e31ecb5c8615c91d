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

  /// Each layout is known again by what it sets, and nothing else is taken for it.
  func testLayoutsByName() {
    func configuration(_ layout: RetrievalLayout, of count: Int, from layer: Int)
      -> MemoryConfiguration
    {
      MemoryConfiguration(
        memoryLayer: layer,
        retrievalLayers: layout.retrievalLayers(from: layer, layerCount: count),
        positions: layout.positions, source: layout.source)
    }
    for count in [1, 2, 26, 30] {
      for layout in RetrievalLayout.allCases {
        let layer = layout.memoryLayer(layerCount: count)
        let memory = configuration(layout, of: count, from: layer)
        XCTAssertNoThrow(try memory.validate(layerCount: count))
        // Of one layer, upper is all.
        let expected = layout == .upper && count == 1 ? .all : layout
        XCTAssertEqual(memory.layout(layerCount: count), expected, "\(layout) of \(count)")
      }
    }
    XCTAssertEqual(
      configuration(.published, of: 26, from: 13).retrievalLayers, [13, 17, 21, 25])
    XCTAssertEqual(configuration(.upper, of: 30, from: 20).layout(layerCount: 30), .upper)
    var other = configuration(.all, of: 30, from: 0)
    other.retrievalLayers.removeFirst()
    XCTAssertNil(other.layout(layerCount: 30))
    other = configuration(.all, of: 30, from: 0)
    other.positions = .zero
    XCTAssertNil(other.layout(layerCount: 30))
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
