import Kernels

/// What every numeric step needs: the workers and their scratch memory.
public struct Compute: Sendable {
  public let workers: Workers
  let scratch: Scratch

  public init(threads: Int) {
    workers = Workers(threads: threads)
    scratch = Scratch(workers: workers)
  }
}
