import ArgumentParser
import ToolSupport

struct MLShard: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-shard",
    abstract: "Looks into shards, checks them and joins them.",
    discussion: helpDiscussion(
      "A shard (.mls) holds chunks, embeddings, a plan, scores, a memory or states. INPUT is a file or - for "
        + "standard input, which is also read when none is named.",
      examples: [
        "ml-shard head -n 2 chunks.mls",
        "ml-shard cat part1.mls part2.mls | ml-shard stat --json",
      ]),
    version: toolVersion,
    subcommands: [View.self, Head.self, Check.self, Stat.self, Cat.self, Split.self])

  func run() throws {
    throw ToolError.usage("name a command: view, head, check, stat, cat or split")
  }
}

runTool(MLShard.self)
