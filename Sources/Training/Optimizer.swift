import Kernels
import Modeling

/// AdamW (arXiv 1711.05101) over a decoder's trained parameters, as torch computes it.
public final class Optimizer {
  public struct Options: Sendable, Equatable {
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    public var weightDecay: Double
    /// Whether norms and gates decay like matrices, as published.
    public var decaysVectors: Bool
    /// The largest global gradient norm; 0 does not clip.
    public var clip: Double

    public init(weightDecay: Double, decaysVectors: Bool = true, clip: Double) {
      self.weightDecay = weightDecay
      self.decaysVectors = decaysVectors
      self.clip = clip
    }
  }

  let options: Options
  public let parameters: [Parameter]
  private let first: [FloatBuffer]
  private let second: [FloatBuffer]
  private let workers: Workers
  public private(set) var step = 0

  public init(_ parameters: [Parameter], options: Options, workers: Workers) {
    self.options = options
    self.parameters = parameters.filter(\.isTrained)
    first = self.parameters.map { FloatBuffer(count: $0.count) }
    second = self.parameters.map { FloatBuffer(count: $0.count) }
    self.workers = workers
  }

  /// The running means of the gradients and of their squares, in the order of `parameters`.
  public var moments: [(first: FloatBuffer, second: FloatBuffer)] { Array(zip(first, second)) }

  /// Goes on from `step`, once parameters and moments hold what they held then.
  public func restore(step: Int) {
    precondition(step >= 0)
    self.step = step
  }

  /// Takes one step along the accumulated gradients and clears them.
  ///
  /// - Returns: the gradients' global norm before clipping.
  public func step(learningRate: Double) -> Double {
    let norm = gradientNorm()
    let scale = options.clip > 0 ? min(1, options.clip / (norm + 1e-6)) : 1
    step += 1
    for (index, parameter) in parameters.enumerated() {
      guard let gradient = parameter.gradient else { continue }
      let decays = options.decaysVectors || parameter.isMatrix
      adamW(
        parameters: parameter.value.pointer, gradients: gradient.floats, m: first[index].pointer,
        v: second[index].pointer, count: parameter.count, learningRate: learningRate,
        beta1: options.beta1,
        beta2: options.beta2, epsilon: options.epsilon,
        weightDecay: decays ? options.weightDecay : 0,

        step: step, gradientScale: Float(scale), workers: workers)
      gradient.zero()
    }
    return norm
  }

  public func gradientNorm() -> Double {
    parameters.reduce(0.0) { sum, parameter in
      sum + (parameter.gradient.map { squaredNorm($0.floats, count: $0.count) } ?? 0)
    }.squareRoot()
  }
}
