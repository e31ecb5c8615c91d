import Kernels

/// What a decoder and a pass over it will take, known before either is made.
///
/// Bytes follow the buffers of `Activations`, `GradientBuffers`, `DecoderPass`, `HeadPanel` and the
/// kernels' scratch; a buffer that is added there belongs here too.
public struct PassEstimate: Sendable {
  let configuration: LlamaConfiguration
  let memory: MemoryConfiguration?
  /// Tokens of the longest segment, and the most memory tokens that its blocks retrieve together.
  let tokens: Int
  let retrieved: Int
  /// The most tokens that attention spans beside the memory: a segment and what it continues.
  let span: Int
  let threads: Int

  private static let float = 4

  /// - Parameter span: of a context; nil where segments are read alone.
  public init(
    _ configuration: LlamaConfiguration, memory: MemoryConfiguration?, tokens: Int,
    retrieved: Int, span: Int? = nil, threads: Int
  ) {
    self.configuration = configuration
    self.memory = memory
    self.tokens = tokens
    self.span = max(tokens, span ?? 0)
    self.retrieved = memory == nil ? 0 : min(retrieved, 1 << 40)
    self.threads = threads
  }

  private var slots: Int { memory?.sourceLayers.count ?? 0 }

  /// Frozen weights in memory of our own. Stored ones stay in the file's pages, `fileBytes` of them.
  ///
  /// - Parameter lowest: the first layer that is run.
  public func weights(_ residency: WeightResidency, fileBytes: Int, from lowest: Int = 0) -> Int {
    let c = configuration
    let norms = (2 * c.layerCount + 1) * c.hiddenSize * Self.float
    let (all, run) = (weightCount(from: 0), weightCount(from: lowest))
    if residency.expands(c) { return norms + run * Self.float }
    return norms + Int(Double(fileBytes) * Double(run) / Double(max(1, all)))
  }

  /// Numbers of the matrices that are read where the layers below `lowest` are not run.
  private func weightCount(from lowest: Int) -> Int {
    let c = configuration
    let tables = c.tiedEmbeddings || lowest > 0 ? 1 : 2
    return c.layerWeights * (c.layerCount - lowest) + tables * c.vocabularySize * c.hiddenSize
  }

  /// Bytes of what the layers below `layer` leave of each token (`FrozenStates`).
  public func frozenToken(below layer: Int, precision: MemoryConfiguration.Precision) -> Int {
    let c = configuration
    let kept = 2 * (memory?.frozenSlots(below: layer).count ?? 0) * c.keyValueWidth
    return c.hiddenSize * (precision == .f32 ? Self.float : 2)
      + kept * (memory?.precision == .f32 ? Self.float : 2)
  }

  /// Whether the weights file is read once and its pages can be given back.
  public func expandsWeights(_ residency: WeightResidency) -> Bool {
    residency.expands(configuration)
  }

  /// Intermediate results of the layers from `lowest` up, which a backward pass needs, and buffers
  /// that all layers share.
  public func activations(lowest: Int, adapter: AdapterConfiguration?, adapted: Int) -> Int {
    let c = configuration
    let layer =
      5 * c.hiddenSize + 2 * c.queryWidth + 2 * c.keyValueWidth + 2 * c.intermediateSize
      + c.queryHeads + 2
    let shared = c.intermediateSize + c.hiddenSize + 2 * slots * c.keyValueWidth + c.headSize
    let kept = max(1, c.layerCount - min(lowest, c.layerCount))
    return tokens * (layer * kept + shared + hidden(adapter, layers: adapted)) * Self.float
      + product(2 * min(1, slots), retrieved, c.keyValueWidth, Self.float)
  }

  /// Width of what adapters keep of each token: dropout(x) Aᵀ a module, and their scratch.
  private func hidden(_ adapter: AdapterConfiguration?, layers: Int) -> Int {
    guard let adapter else { return 0 }
    let widest = adapter.targets.map { configuration.linearShape($0).columns }.max() ?? 0
    // A fused module's adapter keeps its own for each part.
    let parts = adapter.targets.reduce(0) { $0 + (AdapterConfiguration.fused[$1]?.count ?? 1) }
    return adapter.rank * (parts * layers + 1)
      + (adapter.dropout > 0 ? widest : 0)
  }

  /// Gradients of intermediate results.
  public var gradients: Int {
    let c = configuration
    let width =
      2 * c.hiddenSize + 2 * c.queryWidth + 2 * c.keyValueWidth + 3 * c.intermediateSize
    return tokens * width * Self.float
  }

  /// Logits of the output head and what stands around them.
  public var head: Int {
    let rows = min(tokens, DecoderPass.headRows)
    return rows * (configuration.vocabularySize + 4 * configuration.hiddenSize + 1) * Self.float
  }

  /// The kernels' scratch: attention weights of each thread, key gradients of each head, panels of
  /// weights that are stored narrow, rounded factors.
  public func scratch(_ residency: WeightResidency, products: ProductPrecision) -> Int {
    let c = configuration
    let rows = 2 * 128 * (span + retrieved + 32)
    var (own, shared) = (rows, 4 * tokens * c.queryWidth)
    let widest = max(c.hiddenSize, c.queryWidth, c.intermediateSize)
    if products == .bf16 {
      own = max(own, bf16WorkerCount(columns: widest))
      for (rows, columns, tokens) in linearShapes {
        shared = max(shared, bf16SharedCount(rows: rows, columns: columns, tokens: tokens))
      }
    } else if !residency.expands(c) {
      for (rows, columns, _) in linearShapes {
        own = max(own, narrowPanelCount(rows: rows, columns: columns))
      }
      shared = max(shared, max(4 << 20, 64 * widest))
    }
    return (threads * own + shared) * Self.float
  }

  /// The largest weights, and the most tokens that a product with each takes.
  private var linearShapes: [(rows: Int, columns: Int, tokens: Int)] {
    let c = configuration
    return [
      (c.queryWidth, c.hiddenSize, tokens), (c.hiddenSize, c.queryWidth, tokens),
      (c.intermediateSize, c.hiddenSize, tokens), (c.hiddenSize, c.intermediateSize, tokens),
      (c.vocabularySize, c.hiddenSize, min(tokens, DecoderPass.headRows)),
    ]
  }

  /// Stored chunks, with their part of the bank's tables.
  public func bank(chunks: Int, chunkTokens: Int) -> Int {
    let width = memory?.precision == .f32 ? Self.float : 2
    let chunk = product(2 * slots, chunkTokens, configuration.keyValueWidth, width)
    return product(chunks, chunk + 256)
  }

  /// The keys and values of `layers` that segments continue, and the angles of their positions.
  public func context(layers: Range<Int>) -> Int {
    let angles = product(span, configuration.headSize, Self.float)
    return (LocalCache.bytes(configuration, capacity: span, layers: layers) ?? 1 << 56) + angles
  }

  /// Numbers of the low-rank pairs on `layers`.
  public func pairs(_ adapter: AdapterConfiguration, layers: Range<Int>) -> Int {
    adapter.targets.reduce(0) { sum, name in
      let shape = configuration.linearShape(name)
      return sum + adapter.rank * (shape.rows + shape.columns)
    } * layers.count
  }

  /// Numbers of the tensors that are trained whole when `layers` are trained, their linear weights left
  /// aside.
  public func extras(_ adapter: AdapterConfiguration, layers: Range<Int>) -> Int {
    let c = configuration
    var count = 0
    if adapter.extras.contains(.norm) { count += (2 * layers.count + 1) * c.hiddenSize }
    if adapter.extras.contains(.embed) { count += c.vocabularySize * c.hiddenSize }
    if adapter.extras.contains(.gate), let memory, memory.usesGate {
      count += memory.retrievalLayers.filter { layers.contains($0) }.count * c.queryHeads
    }
    return count
  }

  /// Numbers of the linear weights of `layers`.
  public func linearWeights(layers: Range<Int>) -> Int {
    configuration.layerWeights * layers.count
  }
}

/// A product that stops at 2⁵⁶, since a file may claim anything.
private func product(_ factors: Int...) -> Int {
  factors.reduce(1) { product, factor in
    let (next, overflows) = product.multipliedReportingOverflow(by: factor)
    return overflows ? 1 << 56 : min(next, 1 << 56)
  }
}
