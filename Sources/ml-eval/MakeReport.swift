import ArgumentParser
import Evaluation
import Safetensors
import ToolSupport

struct MakeReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Compare results of ml-eval lm in one table and a figure.",
    discussion: helpDiscussion(
      "Writes Markdown, and beside it the figure under the same name with .svg.",
      examples: [
        "ml-eval report base.json trained.json -o report.md",
        "ml-eval report --title 'Three novels' eval/*.json -o report.md",
      ]))

  @Argument(help: ArgumentHelp("Results of ml-eval lm.", valueName: "RESULTS"))
  var results: [String]

  @Option(help: "The report's title.")
  var title = "Language modelling"

  @Option(
    help: ArgumentHelp(
      "A command that regenerates the report; may be repeated.", valueName: "COMMAND"))
  var command: [String] = []

  @Flag(help: "Show seconds and tokens per second, which differ from run to run.")
  var cost = false

  @OptionGroup var options: CommonOptions

  func run() throws {
    let output = try OutputFile(options.output, isBinary: false)
    let report = try Report(try results.map(read), title: title)
    var figure: (name: String, file: OutputFile)?
    if let path = options.output, path != "-" {
      let stem = path.hasSuffix(".md") ? String(path.dropLast(3)) : path
      figure = (baseName(stem + ".svg"), try OutputFile(stem + ".svg", isBinary: false))
    }
    try output.write(report.markdown(figure: figure?.name, commands: command, showsCost: cost))
    try figure?.file.write(report.figure())
    try figure?.file.commit()
    try output.commit()
  }

  private func read(_ path: String) throws -> Report.Entry {
    do {
      let json = try JSONValue(parsing: try readFile(path, limit: 1 << 30))
      return Report.Entry(name: baseName(path), result: try LanguageModelResult(json: json))
    } catch let error as ToolError {
      throw error
    } catch {
      throw ToolError("\(path == "-" ? "standard input" : path): \(error)")
    }
  }

  private func baseName(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}
