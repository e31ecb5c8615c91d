import ArgumentParser
import Records
import ShardIO
import ToolSupport

struct Cat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Joins shards of one kind, byte for byte, and checks them on the way.",
    discussion: helpDiscussion(
      "Refuses shards of different kinds, or whose parameters differ in more than the digests, "
        + "the sources and the number of chunks.",
      examples: [
        "ml-shard cat part1.mls part2.mls -o all.mls",
        "ml-shard cat part*.mls | ml-embed --model minilm -o embeddings.mls",
      ]))

  @OptionGroup var common: CommonOptions
  @Argument(help: "Shards.") var input: [String] = []

  func run() throws {
    // Of several, what can be read twice is compared before the first byte goes out.
    var first: Opening?
    for path in input where input.count > 1 {
      let file = try InputFile(path)
      guard file.isRepeatable else { continue }
      let reader = ShardReader(source: file)
      if let block = try reader.next() { try Opening.compare(block, path, with: &first) }
    }
    let output = try OutputFile(common.output)
    for path in input.isEmpty ? ["-"] : input {
      let file = try InputFile(path)
      let reader = ShardReader(source: TeeSource(file, to: output))
      while let block = try reader.next() {
        if block.index == 0 { try Opening.compare(block, file.name ?? path, with: &first) }
      }
    }
    try output.commit()
  }
}

/// What all streams of a concatenation share.
private struct Opening {
  let path: String
  let kind: String
  let parameters: [String: String]

  static func compare(_ block: ShardBlock, _ path: String, with first: inout Opening?) throws {
    let own = Opening(
      path: path, kind: block.kind,
      parameters: block.parameters.filter { isShared(parameter: $0.key) })
    guard let other = first else {
      first = own
      return
    }
    guard own.kind == other.kind else {
      throw ToolError("\(path) holds \(own.kind), \(other.path) holds \(other.kind)")
    }
    for key in Set(own.parameters.keys).union(other.parameters.keys).sorted() {
      let (mine, theirs) = (own.parameters[key], other.parameters[key])
      guard mine == theirs else {
        throw ToolError(
          "\(path) has \(key) \(mine ?? "missing"), \(other.path) has \(theirs ?? "missing")")
      }
    }
  }
}
