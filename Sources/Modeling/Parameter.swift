import Kernels

/// A tensor that may be trained: its value and, while it is trained, its gradient.
public final class Parameter: @unchecked Sendable {
  /// The Hugging Face or PEFT path without prefix, such as `model.layers.3.self_attn.q_proj.lora_A.weight`.
  public let name: String
  public let shape: [Int]
  public let value: FloatBuffer
  private var ownGradient: FloatBuffer?
  private let whole: (parameter: Parameter, values: Range<Int>)?

  /// The accumulated gradient, of the value's shape; nil for a frozen parameter.
  public var gradient: FloatBuffer? {
    guard let whole else { return ownGradient }
    return whole.parameter.gradient.map { FloatBuffer(whole.values, of: $0) }
  }

  public var count: Int { value.count }
  /// Whether it mixes two spaces, unlike a norm's weight or the gates, one number a channel or head.
  public var isMatrix: Bool { shape.filter { $0 > 1 }.count > 1 }
  public var isTrained: Bool { gradient != nil }

  public init(name: String, shape: [Int], value: FloatBuffer) {
    precondition(shape.reduce(1, *) == value.count, "\(name) has \(value.count) values")
    self.name = name
    self.shape = shape
    self.value = value
    whole = nil
  }

  /// Rows of `parameter`, a matrix: the same numbers and the same gradient.
  init(rows: Range<Int>, of parameter: Parameter) {
    let columns = parameter.shape[1]
    let values = rows.lowerBound * columns..<rows.upperBound * columns
    name = parameter.name
    shape = [rows.count, columns]
    value = FloatBuffer(values, of: parameter.value)
    whole = (parameter, values)
  }

  /// Takes memory for a gradient, so that backward passes reach this parameter.
  public func train() {
    guard whole == nil else { preconditionFailure("\(name): a part is trained by its whole") }
    if ownGradient == nil { ownGradient = FloatBuffer(count: count) }
  }
}
