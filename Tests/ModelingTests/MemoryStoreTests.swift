import Modeling
import Synchronization
import TestSupport
import XCTest

/// Where memory lies changes no result, and what is forgotten makes room.
final class MemoryStoreTests: XCTestCase {
  private let memory = MemoryConfiguration(
    memoryLayer: 0, retrievalLayers: [0, 1], positions: .continual, source: .own, precision: .bf16)

  /// Segments of two chunks of four tokens; each reads the chunks of the one before and of the one
  /// three before.
  private var plan: RetrievalPlan {
    var plan = RetrievalPlan()
    for row in stride(from: 0, to: 40, by: 2) {
      plan.append(row: row, neighbours: [row - 6, row - 2, row - 1].filter { $0 >= 0 })
    }
    return plan
  }

  private func segment(_ index: Int) -> PlannedSegment {
    var random = SplitMix64(seed: UInt64(index))
    return PlannedSegment(
      firstRow: 2 * index, chunkLengths: [4, 4],
      tokens: random.integers(8, in: 0..<23).map(Int32.init), nextToken: -1, document: 0)
  }

  /// The logits of every segment.
  private func read(_ store: MemoryStore, each: (Int) -> Void = { _ in }) throws -> [[Float]] {
    let decoder = try TinyModel(layers: 2, memory: memory).build().decoder
    decoder.memoryStore = store
    let pass = DecoderPass(decoder, maximumTokens: 8)
    var lane = LaneMemory(plan: plan)
    var logits: [[Float]] = []
    for index in 0..<20 {
      let segment = segment(index)
      pass.forward(
        Segment(
          tokens: segment.tokens, targets: Segment.shifted(segment.tokens),
          blocks: try lane.blocks(of: segment)))
      logits += pass.logits(Array(0..<8))
      try lane.advance(past: segment, pass)
      each(index)
    }
    XCTAssertEqual(lane.bank.count, 0)
    return logits
  }

  func testResultsAreTheSameBitsWhereverMemoryLies() throws {
    let expected = try read(MemoryStore())
    let overflow = ListedOverflow()
    XCTAssertEqual(try read(MemoryStore(limit: 0, overflow: overflow)), expected)
    XCTAssertGreaterThan(overflow.placed, 10)
    XCTAssertEqual(overflow.held, 0)
    let mixed = ListedOverflow()
    XCTAssertEqual(try read(MemoryStore(limit: 3 * chunkBytes, overflow: mixed)), expected)
    XCTAssertGreaterThan(mixed.placed, 0)
    XCTAssertLessThan(mixed.placed, overflow.placed)
  }

  /// Two layers' keys and values of four tokens, 12 numbers of two bytes each.
  private let chunkBytes = 2 * 2 * 4 * 12 * 2

  func testRAMIsFilledToItsLimitAndFreedAgain() throws {
    let overflow = ListedOverflow()
    let store = MemoryStore(limit: 3 * chunkBytes, overflow: overflow)
    var most = 0
    _ = try read(store) { _ in most = max(most, store.bytesInRAM) }
    XCTAssertEqual(most, 3 * chunkBytes)
    XCTAssertEqual(store.bytesInRAM, 0)
  }

  /// What the next segment reads is announced while this one is computed; what it does not read rests.
  func testThePlanIsAnnounced() throws {
    let overflow = ListedOverflow()
    _ = try read(MemoryStore(limit: 0, overflow: overflow))
    // The chunks of segment n are read by n + 1 and, the first of them, by n + 3.
    let first = try XCTUnwrap(overflow.events[0])
    XCTAssertEqual(first, ["rest", "soon", "gone"])
    XCTAssertEqual(overflow.events[1], ["gone"])
  }

  func testNoRoomIsAnError() throws {
    let overflow = ListedOverflow(room: 2)
    XCTAssertThrowsError(try read(MemoryStore(limit: 0, overflow: overflow))) {
      XCTAssertEqual("\($0)", "no room")
    }
  }
}

/// Copies in RAM, with a list of what became of each.
private final class ListedOverflow: MemoryOverflow {
  private let state = Mutex((events: [Int: [String]](), placed: 0, held: 0))
  private let room: Int

  init(room: Int = .max) { self.room = room }

  var events: [Int: [String]] { state.withLock { $0.events } }
  var placed: Int { state.withLock { $0.placed } }
  var held: Int { state.withLock { $0.held } }

  func place(for bytes: UnsafeRawBufferPointer) throws -> any MemoryPlace {
    let number = try state.withLock { state in
      guard state.held < room else { throw ModelError("no room") }
      state.held += 1
      state.placed += 1
      return state.placed - 1
    }
    return Place(bytes, number: number, of: self)
  }

  private func note(_ event: String, _ number: Int) {
    state.withLock {
      $0.events[number, default: []].append(event)
      if event == "gone" { $0.held -= 1 }
    }
  }

  private final class Place: MemoryPlace, @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    let number: Int
    let owner: ListedOverflow

    init(_ bytes: UnsafeRawBufferPointer, number: Int, of owner: ListedOverflow) {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
      copy.copyMemory(from: bytes)
      self.bytes = UnsafeRawBufferPointer(copy)
      self.number = number
      self.owner = owner
    }

    deinit {
      bytes.deallocate()
      owner.note("gone", number)
    }

    func expectReading() { owner.note("soon", number) }

    func expectRest() { owner.note("rest", number) }
  }
}
