import ArgumentParser
import ToolSupport

struct Index: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-index",
    abstract: "Plan which chunks each retrieval block reads from a memory that evicts.",
    discussion: helpDiscussion(
      "`plan` is understood where no subcommand is named; `ml-index plan --help` lists its options.",
      examples: [
        "ml-index --memory-tokens 32768 --top-k 8 -o plan.mls embeddings.mls",
        "ml-index stat plan.mls --embeddings embeddings.mls",
      ]),
    version: toolVersion, subcommands: [Plan.self, Search.self, Stat.self],
    defaultSubcommand: Plan.self)
}

runTool(Index.self)
