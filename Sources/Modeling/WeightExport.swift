import Kernels

/// A tensor of the decoder as it stands, adapters folded in.
public struct WeightView {
  /// The Hugging Face name.
  public let name: String
  public let shape: [Int]
  private let panels: any RowPanels
  /// Rows that may be asked for at a time.
  public var rows: Int { panels.rows }
  public var columns: Int { panels.columns }

  init(_ name: String, _ panels: any RowPanels, shape: [Int]? = nil) {
    self.name = name
    self.panels = panels
    self.shape = shape ?? [panels.rows, panels.columns]
  }

  init(_ parameter: Parameter) {
    self.init(
      parameter.name,
      DensePanels(parameter.value.floats, rows: 1, columns: parameter.count),
      shape: parameter.shape)
  }

  /// Gives `body` the float32 values of `range`, row-major.
  public func withRows<R>(_ range: Range<Int>, _ body: (UnsafeBufferPointer<Float>) throws -> R)
    rethrows -> R
  {
    let count = range.count * columns
    let scratch = FloatBuffer(count: panels.isDense ? 0 : count)
    let values = panels.panel(range, scratch: scratch.pointer)
    return try withExtendedLifetime(scratch) {
      try body(UnsafeBufferPointer(start: values, count: count))
    }
  }
}

extension Decoder {
  /// Every tensor of the model in Hugging Face's names, adapters folded in.
  ///
  /// - Throws: `ModelError` where an adapter stands beside a weight that is stored narrow.
  public func exportedWeights() throws -> [WeightView] {
    mergeAdapters()
    var views: [WeightView] = []
    views.append(
      trainedEmbedding.map { WeightView($0) }
        ?? WeightView("model.embed_tokens.weight", embedding))
    for layer in layers {
      for module in layer.modules {
        guard !module.hasFoundation else {
          throw ModelError("\(module.name).weight is stored narrow: it takes --weights expanded")
        }
        views.append(WeightView(module.name + ".weight", module.weight))
        if let bias = module.biasParameter { views.append(WeightView(bias)) }
      }
      views += [layer.inputNorm, layer.postNorm].map { WeightView($0) }
      if let gate = layer.retrievalGate { views.append(WeightView(gate)) }
    }
    views.append(WeightView(finalNorm))
    // A trained embedding unties the two, as PEFT's own merge does.
    if !configuration.tiedEmbeddings || trainedEmbedding != nil {
      views.append(WeightView("lm_head.weight", head))
    }
    return views
  }
}

/// The bits of `values` rounded to bfloat16, to nearest even.
public func bfloat16(_ values: UnsafeBufferPointer<Float>) -> [UInt16] {
  [UInt16](unsafeUninitializedCapacity: values.count) { target, filled in
    if let to = target.baseAddress, let from = values.baseAddress {
      convertFloatToBF16(to, from, count: values.count)
    }
    filled = values.count
  }
}
