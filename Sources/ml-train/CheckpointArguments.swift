import ArgumentParser
import ToolSupport

/// The options that say what a run leaves behind besides its adapter.
struct CheckpointArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write a checkpoint every N optimiser steps. (default: only on TERM, INT or USR1)",
      valueName: "N"))
  var checkpointEvery: Int?

  @Option(help: ArgumentHelp("Keep the newest N checkpoints.", valueName: "N"))
  var keep = 2

  @Option(
    help: ArgumentHelp(
      "The checkpoints' folder; it stays when the run has ended. (default: OUTPUT.checkpoints)",
      valueName: "DIR"))
  var checkpointDir: String?

  @Flag(help: "Go on from the newest checkpoint; from the start where there is none.")
  var resume = false

  @Flag(
    help: ArgumentHelp(
      "Move the checkpoints of another run that are in the way to a folder beside theirs. (default: "
        + "refuse)"))
  var setAside = false

  @Option(
    help: ArgumentHelp(
      "Append one JSON object a step to FILE; a run that is not resumed empties it first.",
      valueName: "FILE"))
  var log: String?

  @Option(
    help: ArgumentHelp("Write TensorBoard event files to DIR.", valueName: "DIR"))
  var tensorboard: String?

  @Flag(help: "Run even where the memory estimate exceeds what is available.")
  var ignoreMemoryEstimate = false

  /// Options with a value, and flags, that do not decide the adapter.
  static let unrecorded: Set<String> = [
    "--checkpoint-every", "--keep", "--checkpoint-dir", "--log", "--tensorboard",
    "--memory-in-ram",
  ]
  static let unrecordedFlags: Set<String> = [
    "--resume", "--set-aside", "--ignore-memory-estimate",
  ]

  func validateRanges() throws {
    if let checkpointEvery, checkpointEvery < 1 {
      throw ValidationError("--checkpoint-every is \(checkpointEvery), not in 1...")
    }
    guard keep >= 1 else { throw ValidationError("--keep is \(keep), not in 1...") }
    if checkpointDir == "" { throw ValidationError("--checkpoint-dir names no folder") }
  }

  /// Where the checkpoints of the run that writes `output` lie.
  func folder(output: String) -> String {
    var path = checkpointDir ?? output
    while path.hasSuffix("/"), path.count > 1 { path.removeLast() }
    return checkpointDir == nil ? path + ".checkpoints" : path
  }
}
