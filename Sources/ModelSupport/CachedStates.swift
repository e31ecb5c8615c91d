import Modeling
import Records
import Safetensors
import ToolSupport

/// Reads the frozen states of one lane's segments from a cache.
struct CachedStates: FrozenStateSource {
  let folder: String
  let expected: StateParameters
  var layer: Int { expected.layer }
  private let inputs: [InputFile]
  /// The row that the first input starts with.
  private let base: Int
  private var reader: StateReader?
  private var batch: ArraySlice<StateRow> = []
  /// The row of `batch`'s first.
  private var row: Int

  init(folder: String, expected: StateParameters, inputs: [InputFile], base: Int, row: Int) {
    self.folder = folder
    self.expected = expected
    self.inputs = inputs
    self.base = base
    self.row = row
  }

  mutating func next(for segment: PlannedSegment) throws -> FrozenStates {
    var hidden: [UInt8] = []
    var chunks: [MemoryChunk?] = []
    for (index, length) in segment.chunkLengths.enumerated() {
      let wanted = segment.firstRow + index
      let state = try self.state(of: wanted)
      guard state.tokens == length else {
        throw ToolError("\(folder): row \(wanted) has \(state.tokens) tokens, its chunk \(length)")
      }
      hidden += state.hidden
      chunks.append(state.memory.map { chunk(length, $0) })
    }
    return hidden.withUnsafeBytes {
      FrozenStates(
        layer: expected.layer, chunkLengths: segment.chunkLengths, hidden: $0,
        precision: expected.hiddenType.precision, chunks: chunks)
    }
  }

  /// The states of row `wanted`; rows rise from call to call.
  private mutating func state(of wanted: Int) throws -> StateRow {
    while wanted >= row + batch.count {
      guard let more = try read(reaching: wanted) else {
        throw ToolError("\(folder): no states of row \(wanted)")
      }
      batch = more.rows[...]
      row = base + more.firstRow
    }
    batch.removeFirst(wanted - row)
    row = wanted + 1
    return batch.removeFirst()
  }

  private mutating func read(reaching wanted: Int) throws -> StateBatch? {
    guard !inputs.isEmpty else { return nil }
    let reader = try self.reader ?? StateReader(sources: inputs)
    self.reader = reader
    guard reader.parameters == expected else {
      throw ToolError("\(inputs[0].name ?? folder): not of the states that cache.json describes")
    }
    return try reader.next(reaching: wanted - base)
  }

  private func chunk(_ tokens: Int, _ memory: [StateRow.Memory]) -> MemoryChunk {
    let size = memory.first?.keys.count ?? 0
    let flat = Array(memory.map { $0.keys + $0.values }.joined())
    return flat.withUnsafeBytes { bytes in
      func part(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[index * size..<(index + 1) * size])
      }
      return MemoryChunk(
        tokens: tokens, slots: memory.indices.map { (part(2 * $0), part(2 * $0 + 1)) },
        precision: expected.memoryType.precision)
    }
  }
}

extension ElementType {
  var precision: MemoryConfiguration.Precision {
    switch self {
    case .BF16: return .bf16
    case .F16: return .f16
    default: return .f32
    }
  }
}

extension MemoryConfiguration.Precision {
  public var elementType: ElementType {
    switch self {
    case .f32: return .F32
    case .bf16: return .BF16
    case .f16: return .F16
    }
  }
}
