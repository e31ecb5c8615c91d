import Modeling
import TestSupport
import XCTest

/// A segment as a test writes it down: how many tokens, what its blocks retrieve, how it is cut.
struct TinySegment {
  /// Of every block, its tokens and the chunks that it reads, counted over the lane.
  var blocks: [(tokens: Int, chunks: [Int])]
  var chunkLengths: [Int]

  var tokens: Int { chunkLengths.reduce(0, +) }

  /// Segments of many shapes: no blocks, blocks of several memories, a block without memory among them,
  /// one token, a block of one token, and memory named by no block.
  static let script: [TinySegment] = [
    TinySegment(blocks: [], chunkLengths: [4, 4, 1]),
    TinySegment(blocks: [(5, [0, 2]), (3, []), (4, [1])], chunkLengths: [5, 4, 3]),
    TinySegment(blocks: [(1, [0, 1, 2, 3, 4, 5])], chunkLengths: [1]),
    TinySegment(blocks: [(1, []), (6, [3, 6]), (4, [0, 5])], chunkLengths: [6, 5]),
    TinySegment(blocks: [(2, []), (2, [])], chunkLengths: [4]),
    TinySegment(blocks: [(7, [2, 7, 9])], chunkLengths: [3, 4]),
  ]
}

/// Runs segments through the decoder and through the reference, each with its own memory.
final class TinyLane {
  let decoder: Decoder
  var reference: ReferenceDecoder
  let pass: DecoderPass
  /// What segments are read beside, of ours and of the reference; nil and nothing where they are alone.
  let context: SlidingContext?
  let cache: LocalCache?
  private(set) var referenceContext: [ReferenceLayer] = []
  private(set) var chunks: [MemoryChunk] = []
  var referenceChunks: [ReferenceChunk] = []
  private var random: SplitMix64

  init(
    _ model: TinyModel, maximumTokens: Int = 12, context: SlidingContext? = nil,
    prepare: (Decoder) throws -> Void = { _ in }
  ) throws {
    (decoder, reference) = try model.build()
    try prepare(decoder)
    pass = DecoderPass(
      decoder, maximumTokens: maximumTokens,
      training: decoder.parameters.contains(where: \.isTrained)
    )
    random = SplitMix64(seed: model.seed &+ 7)
    self.context = context
    cache = context.map { [decoder] in LocalCache(decoder, capacity: $0.tokens) }
  }

  /// Makes room for a segment in ours, and in the reference's in its own way.
  func makeRoom(for tokens: Int) {
    guard let context, let cache else { return }
    cache.makeRoom(for: tokens, sinks: context.sinks, limit: context.tokens)
    let width = decoder.configuration.keyValueWidth
    for layer in referenceContext.indices {
      while referenceContext[layer].keys.count / width + tokens > context.tokens {
        referenceContext[layer].remove(context.sinks..<context.sinks + 1, width: width)
      }
    }
  }

  /// Random tokens and targets, some positions without one.
  func draw(_ segment: TinySegment) -> (ours: Segment, theirs: [ReferenceBlock]) {
    let vocabulary = decoder.configuration.vocabularySize
    let tokens = random.integers(segment.tokens, in: 0..<vocabulary).map(Int32.init)
    let targets = random.integers(segment.tokens, in: -2..<vocabulary).map { Int32(max(-1, $0)) }
    var ours: [Segment.Block] = []
    var theirs: [ReferenceBlock] = []
    var start = 0
    for block in segment.blocks {
      let queries = start..<start + block.tokens
      ours.append(.init(queries: queries, chunks: block.chunks.map { chunks[$0] }))
      theirs.append(.init(queries: queries, chunks: block.chunks.map { referenceChunks[$0] }))
      start = queries.upperBound
    }
    return (Segment(tokens: tokens, targets: targets, blocks: ours), theirs)
  }

  /// Keeps what the last forward pass, and the reference's, leave in memory. Of a memory that rounds,
  /// the reference reads ours: two sums that hardly differ may round apart.
  func store(_ segment: TinySegment, _ output: ReferenceDecoder.Output) {
    if context != nil {
      if referenceContext.isEmpty { referenceContext = output.layers.map { _ in .init() } }
      for (layer, own) in output.layers.enumerated() {
        referenceContext[layer].keys += own.keys
        referenceContext[layer].values += own.values
      }
    }
    let width = decoder.configuration.keyValueWidth
    var start = 0
    for length in segment.chunkLengths {
      let rows = start * width..<(start + length) * width
      let chunk = pass.memoryChunk(start..<start + length)
      chunks.append(chunk)
      let pairs = output.keys.indices.map { chunk.expanded(slot: $0) }
      let rounds = decoder.memory?.precision != .f32
      referenceChunks.append(
        ReferenceChunk(
          tokens: length,
          keys: rounds ? pairs.map { doubles($0.keys) } : output.keys.map { Array($0[rows]) },
          values: rounds ? pairs.map { doubles($0.values) } : output.values.map { Array($0[rows]) })
      )
      start += length
    }
  }

  /// Forward, logits and memory compared.
  func check(
    _ segment: TinySegment, tolerance: Double = 2e-5, _ what: String,
    file: StaticString = #filePath,
    line: UInt = #line
  ) {
    let (ours, blocks) = draw(segment)
    pass.forward(ours)
    let output = reference.forward(ours.tokens, blocks: blocks)
    let logits = pass.logits(Array(ours.tokens.indices)).flatMap { $0 }
    expectClose(logits, output.logits, tolerance, "logits of \(what)", file: file, line: line)
    store(segment, output)
    for (mine, theirs) in zip(chunks, referenceChunks).suffix(segment.chunkLengths.count) {
      for slot in theirs.keys.indices {
        let pair = mine.expanded(slot: slot)
        expectClose(
          pair.keys, theirs.keys[slot], tolerance, "keys of \(what)", file: file, line: line)
        expectClose(
          pair.values, theirs.values[slot], tolerance, "values of \(what)", file: file, line: line)
      }
    }
  }
}

func doubles(_ x: [Float]) -> [Double] { x.map(Double.init) }

/// |ours − theirs| ≤ tolerance · (1 + |theirs|) everywhere.
func expectClose(
  _ ours: [Float], _ theirs: [Double], _ tolerance: Double, _ what: String,
  file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertEqual(ours.count, theirs.count, what, file: file, line: line)
  var worst = 0.0
  for (x, y) in zip(ours, theirs) {
    let difference = abs(Double(x) - y) / (1 + abs(y))
    worst = difference.isNaN ? .infinity : max(worst, difference)
  }
  XCTAssertLessThanOrEqual(worst, tolerance, what, file: file, line: line)
}
