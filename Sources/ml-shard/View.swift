import ArgumentParser
import Records
import ToolSupport

struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints rows as JSON lines, one object a row.",
    discussion: helpDiscussion(examples: [
      "ml-shard view chunks.mls",
      "ml-shard view plan.mls | jq .neighbours",
    ]))

  @OptionGroup var common: CommonOptions
  @Argument(help: "Shards, read as one.") var input: [String] = []

  func run() throws { try printRows(of: input, limit: nil, to: common.output) }
}

struct Head: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the first rows as JSON lines.",
    discussion: helpDiscussion(examples: [
      "ml-shard head -n 3 chunks.mls",
      "ml-chunk --model model.gguf text.txt | ml-shard head",
    ]))

  @OptionGroup var common: CommonOptions
  @Option(name: .customShort("n"), help: ArgumentHelp("Rows to print.", valueName: "N"))
  var rows = 10
  @Argument(help: "Shards, read as one.") var input: [String] = []

  func validate() throws {
    if rows < 0 { throw ValidationError("-n is \(rows), below 0") }
  }

  func run() throws { try printRows(of: input, limit: rows, to: common.output) }
}

private func printRows(of paths: [String], limit: Int?, to path: String?) throws {
  let reader = try RecordReader(sources: try InputFile.all(paths))
  let output = try OutputFile(path, isBinary: false)
  var left = limit ?? .max
  var text = RowText()
  while left > 0, let rows = try text.next(from: reader, limit: left) {
    try text.bytes.withUnsafeBytes { try output.write($0) }
    left -= rows
  }
  try output.commit()
}
