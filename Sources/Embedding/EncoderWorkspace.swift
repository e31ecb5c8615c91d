import Kernels

/// One thread's activations, grown on demand and kept.
public final class EncoderWorkspace {
  let configuration: EncoderConfiguration
  let workers = Workers(threads: 1)
  let scratch: Scratch
  /// [rows, H], [rows, H], [rows, 3H], [tile, I]
  private(set) var hidden, context, queryKeyValue, wide: MutableFloats
  private var room: (rows: Int, tile: Int) = (0, 0)

  public init(_ configuration: EncoderConfiguration) {
    self.configuration = configuration
    scratch = Scratch(workers: workers)
    hidden = .allocate(capacity: 1)
    context = .allocate(capacity: 1)
    queryKeyValue = .allocate(capacity: 1)
    wide = .allocate(capacity: 1)
  }

  public convenience init(_ retriever: Retriever) {
    self.init(retriever.encoder.configuration)
  }

  deinit { release() }

  func reserve(rows: Int, tile: Int) {
    guard rows > room.rows || tile > room.tile else { return }
    release()
    room = (max(rows, room.rows), max(tile, room.tile))
    let h = configuration.hiddenSize
    hidden = .allocate(capacity: room.rows * h)
    context = .allocate(capacity: room.rows * h)
    queryKeyValue = .allocate(capacity: room.rows * 3 * h)
    wide = .allocate(capacity: room.tile * configuration.intermediateSize)
  }

  private func release() {
    for buffer in [hidden, context, queryKeyValue, wide] { buffer.deallocate() }
  }
}
