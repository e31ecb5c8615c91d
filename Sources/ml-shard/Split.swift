import ArgumentParser
import Records
import ShardIO
import ToolSupport

struct Split: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cuts packed chunks into lanes, in the published order of training.",
    discussion: helpDiscussion(
      "Writes B streams of N / B consecutive segments each, where N counts the full segments of all "
        + "INPUT; the remainder is dropped. Each stream counts as a document: planned by ml-index with "
        + "--reset document, it has a memory of its own, and in step i ml-train --lanes B reads the i-th "
        + "segment of each. A run of K processes with batches of B has B x K lanes.",
      examples: [
        "ml-shard split --lanes 8 -o lanes.mls packed.mls",
        "ml-shard split --lanes 2 packed.mls | ml-embed --model minilm -o lane-keys.mls",
      ]))

  @Option(help: ArgumentHelp("Streams to write.", valueName: "B"))
  var lanes: Int

  @OptionGroup var common: CommonOptions
  @Argument(help: "Shards of chunks that were packed with --pack stream, read as one.")
  var input: [String] = []

  func validate() throws {
    guard (1...65536).contains(lanes) else {
      throw ValidationError("--lanes is \(lanes), not in 1...65536")
    }
  }

  func run() throws {
    // They are read twice: to be counted, then to be dealt.
    let files = try InputFile.all(input)
    let paths = try files.map { $0.isRepeatable ? $0.name ?? "" : try spool($0) }
    func open() throws -> ChunkReader {
      try ChunkReader(
        sources: zip(paths, files).map { try InputFile($0, shownName: $1.name) })
    }
    let counted = try open()
    guard counted.parameters.pack == "stream" else {
      throw ToolError("\(files[0].name ?? ""): made with --pack document, lanes take --pack stream")
    }
    var segments = FullSegments(counted)
    var count = 0
    while try segments.next() != nil { count += 1 }
    guard count >= lanes else {
      throw ToolError("\(files[0].name ?? ""): \(count) full segments, fewer than \(lanes) lanes")
    }
    let order = LaneOrder(segments: count, lanes: lanes)
    try write(FullSegments(try open()), order, counted)
    if order.dropped > 0 { common.note("\(order.dropped) of \(count) segments are left over") }
  }

  private func write(_ segments: FullSegments, _ order: LaneOrder, _ read: ChunkReader) throws {
    var segments = segments
    let output = try OutputFile(common.output)
    let provenance = common.provenance(
      earlier: read.provenance, inputs: input, digests: [read.digest])
    for _ in 0..<order.lanes {
      let writer = ChunkWriter(
        sink: output, parameters: read.parameters, provenance: provenance)
      for step in 0..<order.steps {
        for var chunk in try segments.next() ?? [] {
          chunk.document = 0
          chunk.ordinal = Int32(writer.rows)
          chunk.segment = Int32(step)
          try writer.append(chunk)
        }
      }
      try writer.finish()
    }
    try output.commit()
  }
}
