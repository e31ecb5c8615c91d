import ModelSupport
import Modeling
import Safetensors
import ToolSupport
import Training
import Weights

/// The layout of ml-train's checkpoints: what of a trainer stands in which file.
enum CheckpointCoding {
  static let trainingFile = "training.safetensors"
  static let memoryFile = "memory.safetensors"

  // MARK: Writing

  /// The part of state.json that is the run's position.
  static func json(_ state: TrainingState, seed: UInt64) -> [String: JSONValue] {
    [
      "step": .integer(Int64(state.step)), "tokens": .integer(Int64(state.tokens)),
      // Random numbers are counted: these two are all the state there is.
      "random": ["seed": .string(String(seed)), "micro_step": .integer(Int64(state.microStep))],
      "lanes": .array(
        state.lanes.map { lane in
          var json: [String: JSONValue] = [
            "next_row": lane.nextRow.map { .integer(Int64($0)) } ?? .null,
            "is_done": .bool(lane.isDone), "peak_chunks": .integer(Int64(lane.peakChunks)),
          ]
          json["context"] = lane.context.map(self.json)
          return .object(json)
        }),
    ]
  }

  /// Trained parameters and moments.
  static func tensors(_ tensors: [StateTensor]) -> [TensorParts] {
    tensors.map { tensor in
      TensorParts(name: tensor.name, type: .F32, shape: tensor.shape) { take in
        try take(
          UnsafeRawBufferPointer(start: tensor.values.pointer, count: tensor.values.count * 4))
        withExtendedLifetime(tensor.values) {}
      }
    }
  }

  /// The banks: of every lane rows, last uses, lengths, and each slot's keys and values end to end.
  static func tensors(_ lanes: [TrainingState.Lane], layout: BankLayout?) -> [TensorParts] {
    guard let layout else { return [] }
    return lanes.enumerated().flatMap { index, lane -> [TensorParts] in
      let entries = lane.memory
      let count = entries.count
      let total = entries.reduce(0) { $0 + $1.chunk.tokens }
      let name = "lane.\(index)."
      let slots = (0..<layout.slots).flatMap { slot in
        [true, false].map { isKeys in
          TensorParts(
            name: "\(name)\(isKeys ? "keys" : "values").\(slot)", type: layout.type,
            shape: [total, layout.width]
          ) { take in
            for entry in entries {
              try entry.chunk.withBytes(slot: slot) { try take(isKeys ? $0 : $1) }
            }
          }
        }
      }
      return [
        TensorParts(
          name: name + "rows", type: .I64, shape: [count], entries.map { Int64($0.row) }),
        TensorParts(
          name: name + "last_use", type: .I64, shape: [count], entries.map { Int64($0.lastUse) }),
        TensorParts(
          name: name + "tokens", type: .I64, shape: [count],
          entries.map { Int64($0.chunk.tokens) }),
      ] + slots
    }
  }

  // MARK: Reading

  /// - Parameter context: nil where segments are read alone.
  static func state(
    _ stored: StoredCheckpoint, layout: BankLayout?, context: ContextLayout?
  ) throws -> TrainingState {
    guard let lanes = stored.state["lanes"]?.arrayValue, let random = stored.state["random"] else {
      throw stored.error("state.json: lanes or random is missing")
    }
    return TrainingState(
      step: try stored.number("step"), microStep: try stored.number("micro_step", in: random),
      tokens: try stored.number("tokens"),
      lanes: try lanes.enumerated().map { index, lane in
        TrainingState.Lane(
          nextRow: lane["next_row"] == .null ? nil : try stored.number("next_row", in: lane),
          isDone: lane["is_done"]?.boolValue ?? false,
          memory: try layout.map { try entries(stored, lane: index, $0) } ?? [],
          peakChunks: try stored.number("peak_chunks", in: lane),
          context: try context.map { try self.context(stored, lane: index, lane["context"], $0) })
      })
  }

  /// Overwrites a trainer's tensors with the stored ones.
  static func restore(_ tensors: [StateTensor], from stored: StoredCheckpoint) throws {
    let file = try stored.file(trainingFile)
    guard file.entries.count == tensors.count else {
      throw stored.error("\(file.entries.count) tensors, where the run has \(tensors.count)")
    }
    for tensor in tensors {
      guard let entry = file.entry(tensor.name), entry.type == .F32, entry.shape == tensor.shape
      else { throw stored.error("\(tensor.name) is missing or of another shape") }
      try file.withBytes(of: entry) { bytes in
        UnsafeMutableRawBufferPointer(start: tensor.values.pointer, count: bytes.count)
          .copyMemory(from: bytes)
      }
    }
  }

  private static func entries(
    _ stored: StoredCheckpoint, lane: Int, _ layout: BankLayout
  ) throws -> [MemoryBank.Entry] {
    let file = try stored.file(memoryFile)
    let name = "lane.\(lane)."
    let rows = try integers(stored, file, name + "rows")
    let lastUse = try integers(stored, file, name + "last_use")
    let tokens = try integers(stored, file, name + "tokens")
    let total = tokens.reduce(0, +)
    guard rows.count == lastUse.count, rows.count == tokens.count else {
      throw stored.error("\(name)rows, last_use and tokens differ in length")
    }
    let slots = try (0..<layout.slots).flatMap { ["keys.\($0)", "values.\($0)"] }.map { part in
      guard let entry = file.entry(name + part), entry.type == layout.type,
        entry.shape == [total, layout.width]
      else { throw stored.error("\(name)\(part) is missing or of another shape") }
      return try file.bytes(entry)
    }
    return try withExtendedLifetime(file) {
      var start = 0
      return try rows.indices.map { index in
        let range = start..<start + tokens[index] * layout.width * layout.type.byteWidth
        start = range.upperBound
        let parts = slots.map { UnsafeRawBufferPointer(rebasing: $0[range]) }
        return MemoryBank.Entry(
          row: rows[index], lastUse: lastUse[index],
          chunk: try MemoryChunk(
            tokens: tokens[index],
            slots: stride(from: 0, to: parts.count, by: 2).map { (parts[$0], parts[$0 + 1]) },
            precision: layout.precision, in: layout.store))
      }
    }
  }

  /// Numbers in 0..<2³², of which no sum overflows.
  private static func integers(
    _ stored: StoredCheckpoint, _ file: MappedSafetensors, _ name: String
  ) throws -> [Int] {
    guard let entry = file.entry(name), entry.type == .I64, entry.shape.count == 1 else {
      throw stored.error("\(name) is missing or no list of I64")
    }
    return try file.withBytes(of: entry) { bytes in
      try (0..<entry.shape[0]).map { index in
        let value = bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)
        guard (0..<1 << 32).contains(value) else { throw stored.error("\(name) holds \(value)") }
        return Int(value)
      }
    }
  }
}

/// The shape of stored chunks.
struct BankLayout {
  var slots: Int
  var width: Int
  var precision: MemoryConfiguration.Precision
  /// Where they are kept.
  let store: MemoryStore

  var type: ElementType { precision.elementType }

  /// Nil for a decoder without memory.
  init?(_ decoder: Decoder) {
    guard let memory = decoder.memory else { return nil }
    slots = memory.sourceLayers.count
    width = decoder.configuration.keyValueWidth
    precision = memory.precision
    store = decoder.memoryStore
  }
}
