import Foundation
import Modeling
import TestSupport
import Training
import Weights
import XCTest

/// A run that is interrupted after a step and goes on in a fresh trainer from what the first one gave
/// away, against a run that is not: the same bits, step for step.
final class ResumeTests: XCTestCase {
  func testOneLane() throws { try checkEveryStep(SmallRun(lanes: 1)) }

  func testTwoLanesOfUnequalLength() throws { try checkEveryStep(SmallRun(lanes: 2)) }

  func testNarrowMemoryOfEachLayer() throws {
    var run = SmallRun(lanes: 1)
    run.precision = .bf16
    run.source = .own
    try checkEveryStep(run)
  }

  func testBesideAContext() throws {
    for lanes in [1, 2] {
      var run = SmallRun(lanes: lanes)
      run.source = .own
      run.context = SlidingContext(tokens: 70, sinks: 3)
      run.documentSegments = 4
      try checkEveryStep(run)
    }
  }

  func testAStateWithoutItsContextIsRefused() throws {
    var run = SmallRun(lanes: 1)
    let state = try run.start().state
    run.context = SlidingContext(tokens: 70, sinks: 3)
    XCTAssertThrowsError(try run.start().restore(state))
    var other = try run.start().state
    other.lanes[0].context?.layers.removeLast()
    XCTAssertThrowsError(try run.start().restore(other))
  }

  func testThreadsDoNotMatter() throws {
    var run = SmallRun(lanes: 2)
    run.threads = 1
    let one = try run.start()
    run.threads = 2
    let two = try run.start()
    while let report = try one.step() { try assertSame(report, two.step()) }
    assertSame(one, two)
  }

  func testAStateOfOtherLanesIsRefused() throws {
    let state = try SmallRun(lanes: 1).start().state
    XCTAssertThrowsError(try SmallRun(lanes: 2).start().restore(state))
  }

  private func checkEveryStep(_ run: SmallRun) throws {
    let whole = try run.start()
    var reports: [StepReport] = []
    while let report = try whole.step() { reports.append(report) }
    XCTAssertGreaterThan(reports.count, 4)
    XCTAssertGreaterThan(reports.map(\.hits).max() ?? 0, 0)
    XCTAssertGreaterThan(reports.map(\.bankChunks).max() ?? 0, 0)
    for interruption in 0..<reports.count {
      let first = try run.start()
      for _ in 0..<interruption { _ = try first.step() }
      let state = run.stored(first.state)
      let tensors = first.stateTensors.map { ($0.name, $0.values.array) }
      let second = try run.start(at: state.lanes.map(\.nextRow))
      for (target, (name, values)) in zip(second.stateTensors, tensors) {
        XCTAssertEqual(target.name, name)
        target.values.copy(from: values, count: values.count)
      }
      try second.restore(state)
      for report in reports[interruption...] { try assertSame(second.step(), report) }
      XCTAssertNil(try second.step())
      assertSame(second, whole)
    }
  }

  private func assertSame(_ one: StepReport?, _ two: StepReport?) throws {
    let (one, two) = (try XCTUnwrap(one), try XCTUnwrap(two))
    XCTAssertEqual(one.step, two.step)
    XCTAssertEqual(one.loss.bitPattern, two.loss.bitPattern, "step \(two.step)")
    XCTAssertEqual(one.gradientNorm.bitPattern, two.gradientNorm.bitPattern, "step \(two.step)")
    XCTAssertEqual(one.learningRate, two.learningRate)
    XCTAssertEqual([one.tokens, one.hits, one.bankChunks], [two.tokens, two.hits, two.bankChunks])
    XCTAssertEqual(one.meanHitAge, two.meanHitAge)
  }

  private func assertSame(_ one: Trainer, _ two: Trainer) {
    for (a, b) in zip(one.stateTensors, two.stateTensors) {
      XCTAssertEqual(a.name, b.name)
      XCTAssert(a.values.array.map(\.bitPattern) == b.values.array.map(\.bitPattern), a.name)
    }
  }
}

/// Training of a fixture's model over random tokens: dropout, accumulation, memory, gates, norms.
struct SmallRun {
  static let chunkTokens = 16
  let lanes: Int
  var threads = 2
  var precision = MemoryConfiguration.Precision.f32
  var source = MemoryConfiguration.Source.shared
  var mode = TrainingMode.loraAll
  var extras: [AdapterConfiguration.Extra] = [.norm, .gate]
  var context: SlidingContext?
  /// Segments of a document; nil: a lane is one.
  var documentSegments: Int?

  /// The chunk rows of each lane.
  var laneRows: [Range<Int>] {
    documents.indices.map { lane in
      let first = documents[..<lane].reduce(0, +) * 3
      return first..<first + documents[lane] * 3
    }
  }

  /// Segments of each lane.
  private var documents: [Int] { lanes == 1 ? [11] : [9, 6] }

  /// Three chunks a segment, the last of them short.
  private func segments(of lane: Int) -> [PlannedSegment] {
    var random = SplitMix64(seed: UInt64(lane) + 1)
    let first = laneRows[lane].lowerBound
    return (0..<documents[lane]).map { index in
      let lengths = [Self.chunkTokens, Self.chunkTokens, 5 + index % 7]
      return PlannedSegment(
        firstRow: first + index * 3, chunkLengths: lengths,
        tokens: random.integers(lengths.reduce(0, +), in: 3..<90).map { Int32($0) },
        nextToken: -1, document: lane * 100 + (documentSegments.map { index / $0 } ?? 0))
    }
  }

  /// Every segment reads some chunks of its own document.
  var plan: RetrievalPlan {
    var plan = RetrievalPlan()
    var random = SplitMix64(seed: 7)
    for lane in documents.indices {
      let segments = segments(of: lane)
      for segment in segments {
        let earlier = segments[0].firstRow..<segment.firstRow
        let rows = earlier.filter { _ in random.next() % 3 == 0 }.suffix(4)
        plan.append(row: segment.firstRow, neighbours: Array(rows))
      }
    }
    return plan
  }

  var options: TrainingOptions {
    TrainingOptions(
      mode: mode,
      adapter: AdapterConfiguration(
        rank: 4, alpha: 8, dropout: 0.2, targets: ["q_proj", "v_proj", "down_proj"],
        extras: extras),
      schedule: LearningRateSchedule(
        shape: .cosine, peak: 1e-2, warmupSteps: 2, totalSteps: 8),
      optimizer: .init(weightDecay: 1e-2, clip: 1), accumulation: 2, lanes: lanes, seed: 5,
      context: context)
  }

  /// Makes what gives a lane its frozen states.
  typealias Frozen = (RetrievalPlan, _ segmentTokens: Int, Decoder) -> any FrozenStateSource

  /// - Parameters:
  ///   - rows: where each lane begins, nil at its start.
  ///   - frozen: nil to compute the frozen layers in the training pass.
  func start(at rows: [Int?]? = nil, frozen: Frozen? = nil) throws -> Trainer {
    let files = try modelFiles()
    let decoder = try Decoder(
      files: files, memory: memory, residency: .expanded, compute: Compute(threads: threads))
    let adapted = mode.adaptedLayers(memoryLayer: 1, layerCount: decoder.layers.count)
    decoder.addAdapters(options.adapter, layers: adapted, seed: options.seed)
    let sources = (0..<lanes).map { lane -> any SegmentSource in
      let all = segments(of: lane)
      return ListSource(segments: all.filter { $0.firstRow >= rows?[lane] ?? 0 }[...])
    }
    let states = sources.compactMap { _ in frozen?(plan, 3 * Self.chunkTokens, decoder) }
    return try Trainer(
      decoder: decoder, options: options, sources: sources, states: states, plan: plan,
      segmentTokens: 3 * Self.chunkTokens, documentTokens: 1000)
  }

  private var memory: MemoryConfiguration {
    MemoryConfiguration(
      memoryLayer: 1, retrievalLayers: [1, 3], source: source, precision: precision,
      usesGate: true, chunkTokens: Self.chunkTokens)
  }

  private func modelFiles() throws -> ModelFiles {
    let folder = try modelFolder(configuration: "memlong-zero", weights: ["memlong-zero"])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try ModelFiles.open(path: folder)
  }

  func estimate(
    bankChunks: Int, bankInRAM: Int = .max, frozen: MemoryEstimate.Frozen? = nil
  ) throws -> MemoryEstimate {
    let files = try modelFiles()
    var data = MemoryEstimate.Data(
      tokens: 500, segmentTokens: 3 * Self.chunkTokens, documentTokens: 60,
      chunkTokens: Self.chunkTokens,
      retrievedTokens: 4 * Self.chunkTokens, bankChunks: bankChunks, planBlocks: 10,
      planNeighbours: 40)
    data.bankInRAM = bankInRAM
    return MemoryEstimate(
      try LlamaConfiguration(huggingFace: files.configuration), memory: memory, options: options,
      data: data,
      residency: .expanded, fileBytes: files.byteCount, threads: threads, frozen: frozen)
  }

  /// One layer's matrices as float32.
  func layerBytes() throws -> Int {
    let configuration = try LlamaConfiguration(huggingFace: modelFiles().configuration)
    let pass = PassEstimate(configuration, memory: nil, tokens: 1, retrieved: 0, threads: 1)
    return 4 * pass.linearWeights(layers: 0..<1)
  }

  /// A state whose chunks went through bytes.
  func stored(_ state: TrainingState) -> TrainingState {
    var state = state
    let slots = source == .shared ? 1 : 2
    for lane in state.lanes.indices {
      let layers = state.lanes[lane].context?.layers ?? []
      state.lanes[lane].context?.layers = layers.map {
        LayerCache(keys: FloatBuffer($0.keys.array), values: FloatBuffer($0.values.array))
      }
      for entry in state.lanes[lane].memory.indices {
        let chunk = state.lanes[lane].memory[entry].chunk
        var parts: [(keys: [UInt8], values: [UInt8])] = []
        for slot in 0..<slots {
          chunk.withBytes(slot: slot) { parts.append((Array($0), Array($1))) }
        }
        state.lanes[lane].memory[entry].chunk = copy(chunk.tokens, parts)
      }
    }
    return state
  }

  private func copy(_ tokens: Int, _ parts: [(keys: [UInt8], values: [UInt8])]) -> MemoryChunk {
    let buffers = parts.map { part in
      [part.keys, part.values].map { bytes in
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        buffer.copyBytes(from: bytes)
        return UnsafeRawBufferPointer(buffer)
      }
    }
    defer { for buffer in buffers.joined() { buffer.deallocate() } }
    return MemoryChunk(
      tokens: tokens, slots: buffers.map { ($0[0], $0[1]) }, precision: precision)
  }
}

struct ListSource: SegmentSource {
  var segments: ArraySlice<PlannedSegment>

  mutating func next() -> PlannedSegment? { segments.popFirst() }
}
