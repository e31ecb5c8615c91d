import Kernels

/// Runs segments through a decoder, forward and backward, in memory taken once.
///
/// The order of use is `forward`, then `losses` or `backward`, and `memoryChunk` for the chunks that a
/// later block reads.
public final class DecoderPass {
  let decoder: Decoder
  /// The lowest layer whose intermediate results are kept for `backward`.
  let lowest: Int
  let adapters: AdapterState
  private let maximumTokens: Int
  private var kept: [Activations]
  let activated: FloatBuffer  // (T, f)
  /// The residual stream after the last layer, (T, d).
  let residual: FloatBuffer
  var gradients: GradientBuffers?
  public private(set) var tokens: [Int32] = []
  private let gathered = GatheredMemory()
  private(set) var captured: [(keys: FloatBuffer, values: FloatBuffer)]
  private(set) var localTable: RotaryTable

  /// Sees the residual stream, (T, d), before every layer of a forward pass.
  public var observer: ((_ layer: Int, _ residual: UnsafeBufferPointer<Float>) -> Void)?

  /// What the running segment continues, and how many tokens of it lie before the segment.
  private(set) var cache: LocalCache?
  private(set) var cached = 0

  private var logitsBuffer = FloatBuffer(count: 0)

  var configuration: LlamaConfiguration { decoder.configuration }
  var compute: Compute { decoder.compute }

  /// - Parameters:
  ///   - maximumTokens: the longest segment.
  ///   - training: whether `backward` will be called; the decoder's trained parameters are fixed then.
  public init(_ decoder: Decoder, maximumTokens: Int, training: Bool = false) {
    self.decoder = decoder
    self.maximumTokens = maximumTokens
    let c = decoder.configuration
    lowest = training ? decoder.lowestTrainedLayer ?? c.layerCount : c.layerCount
    adapters = AdapterState(decoder.compute)
    kept = (0..<max(1, c.layerCount - lowest)).map { _ in
      Activations(c, tokens: maximumTokens)
    }
    activated = FloatBuffer(count: maximumTokens * c.intermediateSize)
    residual = FloatBuffer(count: maximumTokens * c.hiddenSize)
    gradients = training ? GradientBuffers(c, tokens: maximumTokens) : nil
    let slots = decoder.memory?.sourceLayers.count ?? 0
    captured = (0..<slots).map { _ in
      (
        FloatBuffer(count: maximumTokens * c.keyValueWidth),
        FloatBuffer(count: maximumTokens * c.keyValueWidth)
      )
    }
    localTable = c.rope.table(positions: 0..<maximumTokens, length: maximumTokens)
  }

  func activations(of layer: Int) -> Activations { kept[max(0, layer - lowest)] }

  /// Computes the residual stream of `segment` after the last layer.
  ///
  /// - Parameters:
  ///   - dropoutSeed: differs for every segment of a training run; nil drops nothing.
  ///   - cache: the tokens before the segment, which every query attends to as to its own segment;
  ///     the segment's join them. No gradient flows into them, and `backward` finds the segment's own
  ///     keys and values there: until then the cache stays as it is.
  public func forward(_ segment: Segment, dropoutSeed: UInt64? = nil, cache: LocalCache? = nil) {
    begin(segment, dropoutSeed: dropoutSeed, cache: cache)
    defer { cache?.grow(by: segment.tokens.count) }
    embed()
    run(0..<configuration.layerCount)
  }

  /// Makes `segment` the running one.
  func begin(_ segment: Segment, dropoutSeed: UInt64? = nil, cache: LocalCache? = nil) {
    let count = segment.tokens.count
    precondition(count > 0 && count <= maximumTokens, "a segment of \(count) tokens")
    tokens = segment.tokens
    self.cache = cache
    cached = cache?.count ?? 0
    adapters.dropoutSeed = dropoutSeed
    prepareMemory(segment)
  }

  /// Puts the tokens' embeddings into the residual stream.
  func embed() {
    let embedding =
      decoder.trainedEmbedding.map {
        DensePanels($0.value.floats, rows: $0.shape[0], columns: $0.shape[1]) as any RowPanels
      } ?? decoder.embedding
    gatherRows(
      residual.pointer, table: embedding, ids: tokens, count: tokens.count,
      workers: compute.workers)
    if configuration.embeddingScale != 1 {
      scale(
        residual.pointer, configuration.embeddingScale,
        count: tokens.count * configuration.hiddenSize, workers: compute.workers)
    }
  }

  /// Carries the residual stream through `layers`.
  func run(_ layers: Range<Int>) {
    let count = tokens.count
    let values = count * configuration.hiddenSize
    for layer in decoder.layers[layers] {
      observer?(layer.index, UnsafeBufferPointer(start: residual.floats, count: values))
      let a = activations(of: layer.index)
      if layer.index >= lowest { a.input.copy(from: residual.floats, count: values) }
      attentionForward(layer, a, count)
      mlpForward(layer, a, count)
    }
    // A backward pass reads them once more.
    if gradients == nil { gathered.end() }
  }

  /// Rotation tables for the length of cache and segment, and the memory that is retrieved.
  private func prepareMemory(_ segment: Segment) {
    let count = cached + segment.tokens.count
    let rope = configuration.rope
    // One token more is no reason for a new table, unless the angles depend on the length.
    let end = rope.dependsOnLength ? count : max(count, cache?.capacity ?? 0)
    guard let memory = decoder.memory else {
      localTable = table(positions: 0..<end, length: count)
      return
    }
    let longest = segment.blocks.map { $0.chunks.reduce(0) { $0 + $1.tokens } }.max() ?? 0
    let first = memory.positions == .zero ? 1 : 0
    let length = memory.positions == .zero ? count + 1 : count + longest
    localTable = table(positions: first..<first + end, length: length)
    gathered.begin(
      longest > 0 ? segment.blocks : [], width: configuration.keyValueWidth,
      headSize: configuration.headSize, scaling: rope.attentionScaling,
      tablesDependOn: rope.dependsOnLength ? length : 0,
      rotation: { total in
        // Position 0 turns nothing.
        memory.positions == .zero ? nil : rope.table(positions: -total..<0, length: length)
      })
  }

  private var tableKey: (Range<Int>, Int)?

  /// The table of local positions, made again only when the positions or the length changed.
  private func table(positions: Range<Int>, length: Int) -> RotaryTable {
    let key = (positions, configuration.rope.dependsOnLength ? length : 0)
    if let tableKey, tableKey == key { return localTable }
    tableKey = key
    return configuration.rope.table(positions: positions, length: length)
  }

  /// Memory for `count` logits, kept between panels.
  func headLogits(count: Int) -> FloatBuffer {
    if logitsBuffer.count < count { logitsBuffer = FloatBuffer(count: count) }
    return logitsBuffer
  }

  /// What the queries of `layer` read from memory; valid until another layer asks.
  func blocks(of layer: DecoderLayer, count: Int) -> [AttentionBlock] {
    guard !gathered.isEmpty, let slot = decoder.memory?.slot(readBy: layer.index) else {
      return [AttentionBlock(queries: 0..<count)]
    }
    return gathered.blocks(slot: slot, workers: compute.workers)
  }

  /// The keys and values that this segment's tokens `range` leave in memory, in RAM.
  public func memoryChunk(_ range: Range<Int>) -> MemoryChunk { MemoryChunk(contents(range)) }

  /// The same where the decoder keeps its memory.
  ///
  /// - Throws: where that has no room.
  func storedChunk(_ range: Range<Int>) throws -> MemoryChunk {
    try MemoryChunk(contents(range), in: decoder.memoryStore)
  }

  private func contents(_ range: Range<Int>) -> ChunkContents {
    guard let memory = decoder.memory else { preconditionFailure("a decoder without memory") }
    precondition(range.upperBound <= tokens.count)
    return ChunkContents(
      range, of: captured, width: configuration.keyValueWidth, precision: memory.precision)
  }

  /// Copies keys and values before rotation, where `layer` is a source of memory.
  func capture(_ layer: DecoderLayer, _ a: Activations, _ count: Int) {
    guard let slot = decoder.memory?.sourceLayers.firstIndex(of: layer.index) else { return }
    let values = count * configuration.keyValueWidth
    captured[slot].keys.copy(from: a.key.floats, count: values)
    captured[slot].values.copy(from: a.value.floats, count: values)
  }
}
