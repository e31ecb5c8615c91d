import ArgumentParser
import Records
import ShardIO
import ToolSupport

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads shards to their ends; says nothing where they are good.",
    discussion: helpDiscussion(
      "Each bad file gets one line that names the block and the row; the exit status is then 1.",
      examples: [
        "ml-shard check runs/demo/*/*.mls",
        "ml-shard check < plan.mls",
      ]))

  @OptionGroup var common: CommonOptions
  @Argument(help: "Shards, each checked by itself.") var input: [String] = []

  func validate() throws {
    if common.output != nil { throw ValidationError("check writes nothing: -o has no meaning") }
  }

  func run() throws {
    var isBad = false
    for path in input.isEmpty ? ["-"] : input {
      do {
        let reader = try RecordReader(sources: [try InputFile(path)])
        while try reader.skip() {}
        common.detail("\(path): good")
      } catch let error as ToolError where error.exitCode == 64 {
        throw error
      } catch {
        printMessage("\(error)")
        isBad = true
      }
    }
    if isBad { throw ExitCode(1) }
  }
}
