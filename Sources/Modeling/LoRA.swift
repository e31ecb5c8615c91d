import Kernels

/// A low-rank adapter of one linear layer: y += α/r · B (A · dropout(x)) (arXiv 2106.09685).
public final class LoRA: @unchecked Sendable {
  /// [rank, in]
  public let a: Parameter
  /// [out, rank]
  public let b: Parameter
  public let scale: Float
  public let dropout: Float
  /// Tells this adapter's dropout mask from every other's.
  let identity: UInt64

  public var rank: Int { a.shape[0] }
  public var isTrained: Bool { a.isTrained || b.isTrained }
  /// A frozen adapter that adds nothing, B = 0, is left out of the computation.
  var isIdle: Bool {
    !isTrained && !(0..<b.count).contains { b.value.pointer[$0] != 0 }
  }

  public init(a: Parameter, b: Parameter, scale: Float, dropout: Float, identity: UInt64) {
    precondition(a.shape[0] == b.shape[1])
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
    self.identity = identity
  }

  /// The adapter of some of the outputs: the same A, those rows of B, the same dropout.
  func part(_ rows: Range<Int>) -> LoRA {
    LoRA(
      a: a, b: Parameter(rows: rows, of: b), scale: scale, dropout: dropout, identity: identity)
  }

  var aPanels: DensePanels { DensePanels(a.value.floats, rows: a.shape[0], columns: a.shape[1]) }
  var bPanels: DensePanels { DensePanels(b.value.floats, rows: b.shape[0], columns: b.shape[1]) }
}
