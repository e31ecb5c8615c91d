import ArgumentParser
import ToolSupport

struct Index: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-index",
    abstract: "Plan which chunks each retrieval block reads from a memory that evicts.",
    usage: """
      ml-index [plan] [<options>] [<EMBEDDINGS> ...]
      ml-index search --keys <EMBEDDINGS> [<options>] [<QUERIES> ...]
      ml-index stat [--embeddings <EMBEDDINGS>] [--json] [<options>] [<PLAN> ...]
      """,
    discussion: helpDiscussion(
      optionsHelp(of: Plan.self),
      examples: [
        "ml-index --memory-tokens 32768 --top-k 8 -o plan.mls embeddings.mls",
        "ml-index stat plan.mls --embeddings embeddings.mls",
      ]),
    version: toolVersion, subcommands: [Plan.self, Search.self, Stat.self],
    defaultSubcommand: Plan.self)
}

runTool(Index.self)
