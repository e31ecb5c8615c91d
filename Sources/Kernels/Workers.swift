import COpenBLAS
import Dispatch
import Synchronization

public typealias Floats = UnsafePointer<Float>
public typealias MutableFloats = UnsafeMutablePointer<Float>

/// How many threads the kernels may use. Work is cut into tiles that depend on the shapes alone,
/// so the results are bit-identical for every number of threads.
public struct Workers: Sendable {
  public let threads: Int

  /// Also puts BLAS on one thread, for good: the tiles are the parallelism.
  public init(threads: Int) {
    precondition(threads >= 1)
    self.threads = threads
    _ = blasOnOneThread
  }

  /// Calls `body(tile, worker)` once for each tile in 0..<tiles, in no particular order but each
  /// worker (0..<threads) one tile at a time. Must not be nested: workers name scratch buffers.
  public func forEach(tiles: Int, _ body: (_ tile: Int, _ worker: Int) -> Void) {
    let count = min(threads, tiles)
    guard count > 1 else {
      for tile in 0..<max(tiles, 0) { body(tile, 0) }
      return
    }
    let next = Atomic<Int>(0)
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let body = body  // tiles write to separate memory
      DispatchQueue.concurrentPerform(iterations: count) { worker in
        while true {
          let tile = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard tile < tiles else { return }
          body(tile, worker)
        }
      }
    }
  }

  /// The same over 0..<count in runs of `grain` elements.
  func forRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    forEach(tiles: (count + grain - 1) / grain) { tile, _ in
      body(tile * grain..<min(count, (tile + 1) * grain))
    }
  }
}

private let blasOnOneThread: Void = openblas_set_num_threads(1)

/// Elements of an elementwise tile: some microseconds of work.
let elementGrain = 1 << 15

/// Reusable buffers, one a worker and one shared, grown on demand and kept. Contents are undefined.
public final class Scratch: @unchecked Sendable {
  private let slots: UnsafeMutableBufferPointer<(base: UnsafeMutableRawPointer?, count: Int)>

  public init(workers: Workers) {
    slots = .allocate(capacity: workers.threads + 1)
    slots.initialize(repeating: (nil, 0))
  }

  deinit {
    for slot in slots { slot.base?.deallocate() }
    slots.deallocate()
  }

  /// At least `count` floats, 64-byte aligned, valid until the worker asks again.
  public func floats(worker: Int, count: Int) -> MutableFloats {
    precondition(worker < slots.count - 1)
    return slot(worker, count)
  }

  /// A buffer for all workers; to be asked for outside of `forEach`.
  public func shared(count: Int) -> MutableFloats { slot(slots.count - 1, count) }

  private func slot(_ index: Int, _ count: Int) -> MutableFloats {
    if slots[index].base == nil || slots[index].count < count {
      slots[index].base?.deallocate()
      let room = max(count, 1024)
      slots[index] = (.allocate(byteCount: room * 4, alignment: 64), room)
    }
    return slots[index].base!.assumingMemoryBound(to: Float.self)
  }
}
