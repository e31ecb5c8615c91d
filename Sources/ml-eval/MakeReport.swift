import ArgumentParser
import Evaluation
import ToolSupport
import Weights

struct MakeReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Show results side by side: tables, figures, and where every number comes from.",
    discussion: helpDiscussion(
      "RESULTS are those of ml-eval lm, icl and needle, logs of ml-train (--log) and descriptions of "
        + "plans (ml-index stat --json), in any order. Writes Markdown, and beside it the figures "
        + "under the same name with .svg; --html one page that needs nothing beside itself.",
      examples: [
        "ml-eval report base.json trained.json -o report.md",
        "ml-eval report --html report.html eval/*.json stage2.jsonl -o report.md",
      ]))

  @Argument(help: ArgumentHelp("Results, logs and descriptions of plans.", valueName: "RESULTS"))
  var results: [String]

  @Option(help: "The report's title.")
  var title = "Language modelling"

  @Option(
    help: ArgumentHelp(
      "A command that regenerates the report; may be repeated.", valueName: "COMMAND"))
  var command: [String] = []

  @Flag(help: "Show seconds and tokens per second, which differ from run to run.")
  var cost = false

  @Option(
    help: ArgumentHelp("Write the report as one self-contained page too.", valueName: "FILE"))
  var html: String?

  @Option(
    help: ArgumentHelp(
      "Write results_*.json and samples_*.jsonl as lm-evaluation-harness does to DIR too.",
      valueName: "DIR"))
  var harness: String?

  @OptionGroup var options: CommonOptions

  func validate() throws {
    if let html, OutputFile.isSame(html, options.output) {
      throw ValidationError("--html and the output are the same: \(html)")
    }
  }

  func run() throws {
    let output = try OutputFile(options.output, isBinary: false)
    let page = try html.map { try OutputFile($0, isBinary: false) }
    let inputs = try results.map(read)
    let book = try ReportBook(inputs, title: title)
    var stem: (address: String, path: String)?
    if let path = options.output, path != "-" {
      let base = path.hasSuffix(".md") ? String(path.dropLast(3)) : path
      stem = (baseName(base), base)
    }
    let parts = book.parts(stem: stem?.address, commands: command, showsCost: cost)
    try output.write(parts.map(\.markdown).joined(separator: "\n"))
    try page?.write(book.html(commands: command, showsCost: cost))
    // One after the other, since there may be hundreds; the report comes last, when all else is there.
    if let stem {
      for figure in parts.flatMap(\.figures) {
        let address = figure.address.dropFirst(stem.address.count)
        try write(figure.svg, to: stem.path + address)
      }
    }
    if let harness { try export(inputs, to: harness) }
    try page?.commit()
    try output.commit()
  }

  private func export(_ inputs: [ReportInput], to folder: String) throws {
    try makeFolder(folder)
    let exports = inputs.flatMap(HarnessExport.files(for:))
    var names: Set<String> = []
    for export in exports where !names.insert(export.name).inserted {
      throw ToolError("two results would be \(folder)/\(export.name): name their files otherwise")
    }
    for export in exports { try write(export.contents, to: "\(folder)/\(export.name)") }
  }

  private func write(_ text: String, to path: String) throws {
    let file = try OutputFile(path, isBinary: false)
    try file.write(text)
    try file.commit()
  }

  private func read(_ path: String) throws -> ReportInput {
    do {
      return try ReportInput(name: baseName(path), contents: try readFile(path, limit: 1 << 30))
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
