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
    version: toolVersion, subcommands: [LanguageModel.self, MakeReport.self])
}
