import Kernels

/// A tensor that may be trained: its value and, while it is trained, its gradient.
public final class Parameter: @unchecked Sendable {
  /// The Hugging Face or PEFT path without prefix, such as `model.layers.3.self_attn.q_proj.lora_A.weight`.
  public let name: String
  public let shape: [Int]
  public let value: FloatBuffer
  /// The accumulated gradient, of the value's shape; nil for a frozen parameter.
  public private(set) var gradient: FloatBuffer?

  public var count: Int { value.count }
  /// Whether it mixes two spaces, unlike a norm's weight or the gates, one number a channel or head.
  public var isMatrix: Bool { shape.filter { $0 > 1 }.count > 1 }
  public var isTrained: Bool { gradient != nil }

  public init(name: String, shape: [Int], value: FloatBuffer) {
    precondition(shape.reduce(1, *) == value.count, "\(name) has \(value.count) values")
    self.name = name
    self.shape = shape
    self.value = value
  }

  /// Takes memory for a gradient, so that backward passes reach this parameter.
  public func train() {
    if gradient == nil { gradient = FloatBuffer(count: count) }
  }
}
