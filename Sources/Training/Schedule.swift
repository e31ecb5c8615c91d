import Glibc

/// The learning rate of every optimiser step.
public struct LearningRateSchedule: Sendable, Equatable {
  public enum Shape: String, Sendable, CaseIterable {
    /// Linear warm-up from 0, then linear decay to 0 (Hugging Face `linear`).
    case warmupLinear = "warmup-linear"
    /// Logarithmic warm-up, then linear decay to 0 (DeepSpeed `WarmupDecayLR`, the published one).
    case warmupLog = "warmup-log"
    /// Linear warm-up from 0, then half a cosine to 0.
    case cosine
    /// Linear warm-up from 0, then flat.
    case constant
  }

  public var shape: Shape
  public var peak: Double
  public var warmupSteps: Int
  public var totalSteps: Int

  public init(shape: Shape, peak: Double, warmupSteps: Int, totalSteps: Int) {
    self.shape = shape
    self.peak = peak
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// The rate of optimiser step `step`, counted from 0.
  ///
  /// DeepSpeed's schedule runs one step behind the optimiser, so its steps 0 and 1 both use rate 0.
  public func rate(step: Int) -> Double {
    let step = shape == .warmupLog ? step - 1 : step
    if step < warmupSteps { return peak * warmup(step) }
    let remaining = Double(max(0, totalSteps - step))
    let decay = Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant: return peak
    case .warmupLinear, .warmupLog: return peak * min(1, remaining / decay)
    case .cosine: return peak * 0.5 * (1 + cos(.pi * min(1, 1 - remaining / decay)))
    }
  }

  private func warmup(_ step: Int) -> Double {
    guard shape == .warmupLog else { return Double(step) / Double(warmupSteps) }
    guard step >= 0 else { return 0 }
    return warmupSteps > 1 ? log(Double(step + 1)) / log(Double(warmupSteps)) : 1
  }
}
