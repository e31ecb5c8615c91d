import Dispatch

/// Compresses blocks, several at once on threads of their own; frames come out in the order of their
/// blocks, and with the same bytes for every number of threads.
final class FrameQueue {
  /// A block on its way: its bytes, then its frame.
  private final class Slot: @unchecked Sendable {
    var content: [UInt8] = []
    private let compressor: BlockCompressor
    private let isDone = DispatchSemaphore(value: 0)
    /// Written by a thread before it signals `isDone`, read after.
    private var frame: Result<UnsafeRawBufferPointer, any Error>?

    init(level: Int) { compressor = BlockCompressor(level: level) }

    func compress(on queue: DispatchQueue?) {
      guard let queue else { return compress() }
      queue.async { [self] in compress() }
    }

    private func compress() {
      frame = Result { try content.withUnsafeBytes { try compressor.compress($0) } }
      isDone.signal()
    }

    /// Waits for the frame, which stays valid until the next block.
    func wait() -> Result<UnsafeRawBufferPointer, any Error>? {
      isDone.wait()
      return frame
    }
  }

  private let slots: [Slot]
  private let queue: DispatchQueue?
  /// Blocks begun, and blocks whose frames went out.
  private var begun = 0
  private var emitted = 0

  /// - Parameter threads: 0 compresses on the caller's; else one more block may wait, so that the
  ///   threads have work while the caller writes. Memory is a block and a frame each.
  init(level: Int, threads: Int) {
    slots = (0..<threads + 1).map { _ in Slot(level: level) }
    queue = threads > 0 ? DispatchQueue(label: "frames", attributes: .concurrent) : nil
  }

  /// Takes a frame, valid until it returns.
  typealias Emit = (UnsafeRawBufferPointer) throws -> Void

  /// Adds the block that `fill` writes into an empty buffer, and hands out the frames that must make
  /// room for it.
  func append(emit: Emit, _ fill: (inout [UInt8]) throws -> Void) throws {
    if begun - emitted == slots.count { try emitNext(emit) }
    let slot = slots[begun % slots.count]
    slot.content.removeAll(keepingCapacity: true)
    try fill(&slot.content)
    slot.compress(on: queue)
    begun += 1
    if queue == nil { try emitNext(emit) }
  }

  /// Hands out all frames that are still to come.
  func finish(emit: Emit) throws {
    while emitted < begun { try emitNext(emit) }
  }

  private func emitNext(_ emit: Emit) throws {
    let frame = slots[emitted % slots.count].wait()
    emitted += 1
    if let frame = try frame?.get() { try emit(frame) }
  }
}
