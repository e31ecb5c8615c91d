import Kernels

/// What every numeric step needs: the workers and their scratch memory; and how products with frozen
/// weights are computed.
public struct Compute: Sendable {
  public let workers: Workers
  let scratch: Scratch
  /// Of the base weights' products: every linear layer's and the head's, forward and by their input.
  public let products: ProductPrecision

  /// - Parameter products: such as there are here (see `ProductPrecision.obstacle`).
  public init(threads: Int, products: ProductPrecision = .f32) {
    precondition(products.obstacle == nil)
    self.products = products
    workers = Workers(threads: threads)
    scratch = Scratch(workers: workers)
  }
}
