import ArgumentParser
import Modeling

/// The options that say whether the frozen layers are computed once for many runs.
struct CacheArguments: ParsableArguments {
  /// How the residual stream is kept.
  enum Precision: String, ExpressibleByArgument, CaseIterable {
    case bf16, f32

    var value: MemoryConfiguration.Precision { self == .bf16 ? .bf16 : .f32 }
  }

  @Option(
    name: .customLong("cache-frozen"),
    help: ArgumentHelp(
      "Keep what the frozen layers make of every chunk in DIR, written by the first run and read by "
        + "every further one on the same chunks, plan, model and frozen layers.", valueName: "DIR"))
  var folder: String?

  @Option(
    name: .customLong("cache-dtype"),
    help: ArgumentHelp(
      "How hidden states are kept: bf16 or f32. All runs with one cache agree to the bit; those with "
        + "f32 agree with a run without a cache too.", valueName: "TYPE"))
  var dtype = Precision.bf16

  func validateRanges() throws {
    if folder == "" { throw ValidationError("--cache-frozen names no folder") }
  }
}
