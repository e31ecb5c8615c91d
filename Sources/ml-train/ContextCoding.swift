import ModelSupport
import Modeling
import Safetensors
import Training
import Weights

/// The contexts of a checkpoint's lanes.
extension CheckpointCoding {
  static let contextFile = "context.safetensors"

  /// The part of a lane in state.json.
  static func json(_ context: LaneContext.State) -> JSONValue {
    [
      "document": context.document.map { .integer(Int64($0)) } ?? .null,
      "tokens": .integer(Int64(context.tokens)),
    ]
  }

  /// Of every lane each layer's keys and values, before rotary embedding.
  static func contexts(_ lanes: [TrainingState.Lane], layout: ContextLayout) -> [TensorParts] {
    lanes.enumerated().flatMap { index, lane -> [TensorParts] in
      guard let context = lane.context else { return [] }
      let shape = [context.tokens, layout.width]
      func part(_ name: String, _ buffer: FloatBuffer) -> TensorParts {
        TensorParts(name: "lane.\(index).\(name)", type: .F32, shape: shape) { take in
          try take(
            UnsafeRawBufferPointer(start: buffer.pointer, count: shape[0] * shape[1] * 4))
          withExtendedLifetime(buffer) {}
        }
      }
      return context.layers.enumerated().flatMap { number, layer in
        [part("keys.\(number)", layer.keys), part("values.\(number)", layer.values)]
      }
    }
  }

  /// - Parameter json: the part of the lane in state.json.
  static func context(
    _ stored: StoredCheckpoint, lane: Int, _ json: JSONValue?, _ layout: ContextLayout
  ) throws -> LaneContext.State {
    guard let json else { throw stored.error("state.json: context of a lane is missing") }
    let file = try stored.file(contextFile)
    let tokens = try stored.number("tokens", in: json)
    func read(_ part: String) throws -> FloatBuffer {
      let name = "lane.\(lane).\(part)"
      guard let entry = file.entry(name), entry.type == .F32, entry.shape == [tokens, layout.width]
      else { throw stored.error("\(name) is missing or of another shape") }
      let buffer = FloatBuffer(count: tokens * layout.width)
      try file.withBytes(of: entry) { bytes in
        UnsafeMutableRawBufferPointer(start: buffer.pointer, count: bytes.count)
          .copyMemory(from: bytes)
      }
      return buffer
    }
    let layers = try (0..<layout.layers).map { number in
      LayerCache(keys: try read("keys.\(number)"), values: try read("values.\(number)"))
    }
    return LaneContext.State(
      document: json["document"] == .null ? nil : try stored.number("document", in: json),
      tokens: tokens, layers: layers)
  }
}

/// The shape of stored contexts.
struct ContextLayout {
  /// Those that are run, counted from 0.
  var layers: Int
  /// Numbers of a token's keys, or values, in one layer.
  var width: Int

  /// - Parameter lowest: the first layer that is run.
  init(_ decoder: Decoder, from lowest: Int = 0) {
    layers = decoder.layers.count - lowest
    width = decoder.configuration.keyValueWidth
  }
}
