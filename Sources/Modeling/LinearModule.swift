import Kernels

/// One stored weight of a layer under its stored name: a linear layer, or several that lie side by side
/// in it, row after row (Phi-3's `qkv_proj` and `gate_up_proj`).
///
/// Computation sees the parts; adapters, training and export see the whole, as PEFT and transformers do.
public final class LinearModule: @unchecked Sendable {
  /// The module path, such as `model.layers.3.self_attn.q_proj`.
  public let name: String
  let weight: any RowPanels
  let parts: [Linear]
  /// The weight in memory where it was expanded.
  private let dense: FloatBuffer?
  private let bias: FloatBuffer?

  /// The adapter that is trained, saved or last applied; its parts stand beside the linear layers.
  public var adapter: LoRA? {
    didSet {
      for (part, rows) in zip(parts, rowRanges) {
        part.adapter = parts.count == 1 ? adapter : adapter?.part(rows)
      }
    }
  }

  /// The weight as a parameter, once it is trained itself.
  public private(set) var weightParameter: Parameter?

  /// The last part of the name: what an adapter's targets say.
  public var target: String { String(name.split(separator: ".").last ?? "") }

  /// Number of outputs.
  public var rows: Int { weight.rows }
  /// Number of inputs.
  public var columns: Int { weight.columns }

  var hasFoundation: Bool { parts.contains { $0.hasFoundation } }

  var biasParameter: Parameter? {
    bias.map { Parameter(name: name + ".bias", shape: [rows], value: $0) }
  }

  private var rowRanges: [Range<Int>] {
    var end = 0
    return parts.map { part in
      defer { end += part.rows }
      return end..<end + part.rows
    }
  }

  /// - Parameter heights: the parts' numbers of outputs, which make up the weight's rows.
  init(
    name: String, weight: any RowPanels, dense: FloatBuffer?, bias: FloatBuffer?, heights: [Int]
  ) {
    precondition(heights.reduce(0, +) == weight.rows)
    self.name = name
    self.weight = weight
    self.dense = dense
    self.bias = bias
    var end = 0
    parts = heights.map { height in
      defer { end += height }
      guard heights.count > 1 else {
        return Linear(name: name, weight: weight, dense: dense, bias: bias)
      }
      let rows = end..<end + height
      let values = rows.lowerBound * weight.columns..<rows.upperBound * weight.columns
      return Linear(
        name: name, weight: PartialPanels(whole: weight, range: rows),
        dense: dense.map { FloatBuffer(values, of: $0) },
        bias: bias.map { FloatBuffer(rows, of: $0) })
    }
  }

  /// Marks the weight itself as trained.
  ///
  /// - Throws: `ModelError` where it is not held as float32.
  func trainWeight() throws { try fullWeight().train() }

  /// The weight as a parameter that can be replaced or trained.
  func fullWeight() throws -> Parameter {
    if let weightParameter { return weightParameter }
    guard let dense else {
      throw ModelError("\(name).weight is stored narrow: it takes --weights expanded")
    }
    let parameter = Parameter(name: name + ".weight", shape: [rows, columns], value: dense)
    weightParameter = parameter
    for (part, rows) in zip(parts, rowRanges) {
      part.weightParameter = parts.count == 1 ? parameter : Parameter(rows: rows, of: parameter)
    }
    return parameter
  }

  /// W += α/r · B A where the weight is held as float32, else the adapter stays below the next one.
  func mergeAdapter(_ compute: Compute) {
    for part in parts { part.mergeAdapter(compute) }
    adapter = nil
  }
}

/// Some rows of a matrix as a matrix.
private struct PartialPanels: RowPanels {
  let whole: any RowPanels
  let range: Range<Int>
  var rows: Int { range.count }
  var columns: Int { whole.columns }
  var isDense: Bool { whole.isDense }

  func panel(_ rows: Range<Int>, scratch: MutableFloats?) -> Floats {
    whole.panel(
      range.lowerBound + rows.lowerBound..<range.lowerBound + rows.upperBound, scratch: scratch)
  }

  func bf16(_ rows: Range<Int>) -> UnsafePointer<UInt16>? {
    whole.bf16(range.lowerBound + rows.lowerBound..<range.lowerBound + rows.upperBound)
  }
}
