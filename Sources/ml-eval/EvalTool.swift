import ArgumentParser
import ToolSupport

@main
enum Main {
  static func main() { runTool(EvalTool.self) }
}

struct EvalTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ml-eval",
    abstract: "Score a model with its memory, and report what was scored.",
    discussion: helpDiscussion(examples: [
      "ml-eval lm --model M.gguf --plan plan.mls -o memory.json chunks.mls",
      "ml-eval report base.json memory.json -o report.md",
    ]),
    version: toolVersion,
    subcommands: [
      LanguageModel.self, Oracle.self, InContextLearning.self, Needle.self, Generate.self,
      MakeReport.self,
    ])

  func run() throws {
    throw ToolError.usage("name a command: lm, oracle, icl, needle, generate or report")
  }
}
