import Safetensors

/// Writes one stream: blocks, then END.
///
/// A parameter that is known only at the end of the input (the digest of what was read) must
/// still stand in block 0. With `defersFirstBlock` block 0 is therefore held in memory and the
/// frames after it wait in an unlinked temporary file until `finish`: memory stays flat.
public final class ShardWriter {
  private let sink: any ByteSink
  private let kind: String
  private var parameters: [String: String]
  private var provenance: Provenance?
  private let frames: FrameQueue
  private let hash = DigestState()
  private var deferredBlock: [NamedTensor]?
  private var deferredRows = 0
  private var spool: Spool?
  private let defersFirstBlock: Bool
  private var isFinished = false

  public private(set) var blocks = 0
  public private(set) var rows = 0

  /// - Parameters:
  ///   - parameters: the kind's own, which stand in block 0
  ///   - provenance: nil leaves it out
  ///   - threads: that compress beside the caller's; no effect on the bytes. Each takes the memory of
  ///     a block and its frame
  public init(
    sink: any ByteSink, kind: String, parameters: [String: String], provenance: Provenance?,
    compressionLevel: Int, defersFirstBlock: Bool = false, threads: Int = 0
  ) {
    precondition(Container.reservedKeys.isDisjoint(with: parameters.keys), "a reserved key")
    self.sink = sink
    self.kind = kind
    self.parameters = parameters
    self.provenance = provenance
    self.defersFirstBlock = defersFirstBlock
    frames = FrameQueue(level: compressionLevel, threads: threads)
  }

  /// Writes one block of `rows` rows.
  public func append(rows count: Int, tensors: [NamedTensor]) throws {
    precondition(!isFinished && count >= 0)
    // the widest elements first, as the reference implementation does: every tensor is aligned
    let sorted = tensors.enumerated().sorted {
      ($1.element.type.byteWidth, $0.offset) < ($0.element.type.byteWidth, $1.offset)
    }.map(\.element)
    for tensor in sorted { tensor.bytes.withUnsafeBytes { hash.update($0) } }
    if defersFirstBlock && blocks == 0 {
      deferredBlock = sorted
      deferredRows = count
    } else {
      try frames.append(emit: write) {
        try encode(block: blocks, firstRow: rows, rows: count, tensors: sorted, to: &$0)
      }
    }
    blocks += 1
    rows += count
  }

  /// Writes what is deferred, then END. A stream without rows still needs one block.
  /// - Parameters:
  ///   - addingParameters: further ones for a deferred block 0
  ///   - inputs: digests to add to the last entry of a deferred block 0's provenance
  /// - Returns: the hash that names the data
  @discardableResult
  public func finish(
    addingParameters: [String: String] = [:], inputs: [Digest] = []
  ) throws -> Digest {
    precondition(!isFinished && blocks > 0, "a stream has at least one block")
    precondition(defersFirstBlock || (addingParameters.isEmpty && inputs.isEmpty))
    isFinished = true
    try frames.finish(emit: write)
    if let tensors = deferredBlock {
      parameters.merge(addingParameters) { _, added in added }
      if var last = provenance?.popLast() {
        last.inputs += inputs.map(\.description)
        provenance?.append(last)
      }
      deferredBlock = nil
      try frames.append(emit: sink.write) {
        try encode(block: 0, firstRow: 0, rows: deferredRows, tensors: tensors, to: &$0)
      }
      try frames.finish(emit: sink.write)
      try spool?.copy(to: sink)
    }
    let digest = hash.digest
    try end(digest).withUnsafeBytes { try sink.write($0) }
    return digest
  }

  /// Takes the frames of all blocks but a deferred one, in order.
  private func write(_ frame: UnsafeRawBufferPointer) throws {
    guard defersFirstBlock else { return try sink.write(frame) }
    if spool == nil { spool = try Spool() }
    try spool?.write(frame)
  }

  /// Writes the safetensors buffer of a block.
  private func encode(
    block: Int, firstRow: Int, rows: Int, tensors: [NamedTensor], to content: inout [UInt8]
  ) throws {
    var metadata = [
      "format": Container.format, "kind": kind, "block": String(block),
      "first_row": String(firstRow), "rows": String(rows),
    ]
    if block == 0 {
      metadata.merge(parameters) { own, _ in own }
      if let provenance { metadata["provenance"] = provenance.encoded }
    }
    let header = SafetensorsHeader.encode(
      metadata: metadata, tensors: tensors.map { ($0.name, $0.type, $0.shape) })
    content += header
    for tensor in tensors { content += tensor.bytes }
    guard content.count <= Container.maximumBlock, header.count <= Container.maximumHeader else {
      throw ShardError(
        "\(content.count) bytes are more than a block may hold", block: block, row: firstRow)
    }
  }

  private func end(_ digest: Digest) -> [UInt8] {
    var frame: [UInt8] = []
    withUnsafeBytes(of: Container.endMagic.littleEndian) { frame += $0 }
    withUnsafeBytes(of: UInt32(Container.endPayload).littleEndian) { frame += $0 }
    frame += Container.endMark
    withUnsafeBytes(of: UInt64(blocks).littleEndian) { frame += $0 }
    withUnsafeBytes(of: UInt64(rows).littleEndian) { frame += $0 }
    return frame + digest.bytes
  }
}
