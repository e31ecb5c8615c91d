import Kernels
import Weights

/// The weights of one decoder layer.
public final class DecoderLayer: @unchecked Sendable {
  public let index: Int
  public let inputNorm: Parameter
  public let postNorm: Parameter
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let gate: Linear
  let up: Linear
  let down: Linear
  /// One raw scalar a query head, where the layer retrieves and the model is gated.
  public let retrievalGate: Parameter?

  /// The stored weights of the linear layers, in the order of computation.
  public let modules: [LinearModule]

  /// Every linear layer, in the order of computation.
  var linears: [Linear] { [query, key, value, output, gate, up, down] }

  init(
    index: Int, inputNorm: Parameter, postNorm: Parameter, modules: [LinearModule],
    retrievalGate: Parameter?
  ) {
    let linears = modules.flatMap(\.parts)
    precondition(linears.count == 7)
    self.modules = modules
    self.index = index
    self.inputNorm = inputNorm
    self.postNorm = postNorm
    query = linears[0]
    key = linears[1]
    value = linears[2]
    output = linears[3]
    gate = linears[4]
    up = linears[5]
    down = linears[6]
    self.retrievalGate = retrievalGate
  }

  /// Whether any parameter of this layer gets a gradient.
  var isTrained: Bool {
    inputNorm.isTrained || postNorm.isTrained || retrievalGate?.isTrained == true
      || linears.contains { $0.isTrained }
  }
}

/// A decoder of Llama's design with retrieval attention: frozen weights, trainable norms, adapters and gates.
public final class Decoder: @unchecked Sendable {
  public let configuration: LlamaConfiguration
  public let memory: MemoryConfiguration?
  public let compute: Compute
  public let layers: [DecoderLayer]
  /// The layers below are not run: nothing is applied to them.
  let lowestRun: Int
  public let finalNorm: Parameter
  let embedding: any RowPanels
  /// The embedding as a parameter, once it is trained or replaced by an adapter's copy.
  public private(set) var trainedEmbedding: Parameter?
  let head: any RowPanels
  /// Where lanes keep the memory's keys and values; to be set before the first is read.
  public var memoryStore = MemoryStore()

  init(
    configuration: LlamaConfiguration, memory: MemoryConfiguration?, compute: Compute,
    layers: [DecoderLayer], lowestRun: Int = 0, finalNorm: Parameter, embedding: any RowPanels,
    head: any RowPanels
  ) {
    self.configuration = configuration
    self.memory = memory
    self.compute = compute
    self.layers = layers
    self.lowestRun = lowestRun
    self.finalNorm = finalNorm
    self.embedding = embedding
    self.head = head
  }

  /// The embedding as a parameter of its own, [vocabulary, hidden]; made from the weights on first use.
  ///
  /// The output head keeps the base weight, also where the base ties the two: that is what PEFT's
  /// `modules_to_save` does.
  public func embeddingParameter() -> Parameter {
    if let trainedEmbedding { return trainedEmbedding }
    let width = configuration.hiddenSize
    let buffer = FloatBuffer(count: configuration.vocabularySize * width)
    let rows = 0..<configuration.vocabularySize
    let panel = embedding.panel(rows, scratch: buffer.pointer)
    if panel != buffer.floats { buffer.copy(from: panel, count: buffer.count) }
    let parameter = Parameter(
      name: "model.embed_tokens.weight", shape: [configuration.vocabularySize, width],
      value: buffer)
    trainedEmbedding = parameter
    return parameter
  }

  /// Trained or trainable tensors in a fixed order: embedding, then layer by layer, then the last norm.
  public var parameters: [Parameter] {
    var all: [Parameter] = trainedEmbedding.map { [$0] } ?? []
    for layer in layers {
      for module in layer.modules {
        if let adapter = module.adapter { all += [adapter.a, adapter.b] }
        if let weight = module.weightParameter { all.append(weight) }
      }
      all += [layer.retrievalGate, layer.inputNorm, layer.postNorm].compactMap { $0 }
    }
    return all + [finalNorm]
  }

  public func module(named name: String) -> LinearModule? {
    for layer in layers {
      if let found = layer.modules.first(where: { $0.name == name }) { return found }
    }
    return nil
  }

  /// Folds every adapter into the weights, W += α/r · B A, or leaves it frozen below the next one
  /// where a weight is stored narrow.
  public func mergeAdapters() {
    for layer in layers {
      for module in layer.modules { module.mergeAdapter(compute) }
    }
  }

  /// The lowest layer that a gradient must reach; nil when nothing is trained.
  var lowestTrainedLayer: Int? {
    if trainedEmbedding?.isTrained == true { return 0 }
    return layers.first { $0.isTrained }?.index ?? (finalNorm.isTrained ? layers.count : nil)
  }
}
