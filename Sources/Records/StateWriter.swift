import Safetensors
import ShardIO

/// Writes one stream of kind `states`.
public final class StateWriter {
  private let writer: ShardWriter
  private let parameters: StateParameters
  private var isStarted = false

  private var lengths: [UInt16] = []
  private var hidden: [UInt8] = []
  private var kept: [UInt8] = []
  private var keptTokens = 0
  /// Of each memory layer.
  private var keys: [[UInt8]]
  private var values: [[UInt8]]

  public init(
    sink: any ByteSink, parameters: StateParameters,
    compressionLevel: Int = Kind.states.compressionLevel
  ) {
    self.parameters = parameters
    keys = parameters.memoryLayers.map { _ in [] }
    values = keys
    writer = ShardWriter(
      sink: sink, kind: Kind.states.rawValue, parameters: parameters.encoded, provenance: nil,
      compressionLevel: compressionLevel)
  }

  /// Rows appended so far.
  public var rows: Int { writer.rows + lengths.count }

  public func append(_ row: StateRow) throws {
    precondition((1...Int(UInt16.max)).contains(row.tokens), "\(row.tokens) tokens")
    precondition(row.hidden.count == row.tokens * parameters.hiddenBytes)
    if pendingBytes >= blockTarget { try flush() }
    lengths.append(UInt16(row.tokens))
    hidden += row.hidden
    kept.append(row.memory == nil ? 0 : 1)
    guard let memory = row.memory else { return }
    precondition(memory.count == keys.count)
    keptTokens += row.tokens
    for (index, part) in memory.enumerated() {
      precondition(part.keys.count == row.tokens * parameters.memoryBytes)
      precondition(part.values.count == part.keys.count)
      keys[index] += part.keys
      values[index] += part.values
    }
  }

  /// Ends the stream.
  @discardableResult
  public func finish() throws -> Digest {
    if !lengths.isEmpty || !isStarted { try flush() }
    return try writer.finish()
  }

  private var pendingBytes: Int {
    hidden.count + lengths.count * 3 + 2 * keys.count * keptTokens * parameters.memoryBytes
  }

  private func flush() throws {
    let tokens = lengths.reduce(0) { $0 + Int($1) }
    let shape = [keys.count, keptTokens, parameters.memoryWidth]
    try writer.append(
      rows: lengths.count,
      tensors: [
        NamedTensor("length", .U16, [lengths.count], lengths),
        NamedTensor("kept", .U8, [lengths.count], kept),
        NamedTensor(
          "hidden", parameters.hiddenType, [tokens, parameters.hiddenSize], bytes: hidden),
        NamedTensor("keys", parameters.memoryType, shape, bytes: Array(keys.joined())),
        NamedTensor("values", parameters.memoryType, shape, bytes: Array(values.joined())),
      ])
    isStarted = true
    lengths.removeAll(keepingCapacity: true)
    hidden.removeAll(keepingCapacity: true)
    kept.removeAll(keepingCapacity: true)
    keptTokens = 0
    for index in keys.indices {
      keys[index].removeAll(keepingCapacity: true)
      values[index].removeAll(keepingCapacity: true)
    }
  }
}
