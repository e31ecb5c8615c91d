import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import ToolSupport

extension LocalContext.Mode: ExpressibleByArgument {}

extension ContextOptions {
  /// What is asked for, the whole document among it, or the usual context.
  ///
  /// - Throws: `ToolError` for sinks of no context.
  func rules(usual: SlidingContext?) throws -> LocalContext? {
    if context == .full { return LocalContext(tokens: nil) }
    return try sliding(usual: usual).map { LocalContext(tokens: $0.tokens, sinks: $0.sinks) }
  }
}

/// The options of `ml-eval lm` that change how positions and the text before a segment are read.
struct BaselineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "slide: keep the keys and values of the text before; reread: read it anew with every segment.",
      valueName: "HOW"))
  var contextMode = LocalContext.Mode.slide

  @Option(
    help: ArgumentHelp(
      "Stretch the rotary embedding: linear:F (position interpolation), dynamic:F (NTK) or yarn:F. "
        + "(default: the model's own)", valueName: "KIND:F"))
  var ropeScaling: RopeScaling?

  /// - Throws: `ValidationError` where the text cannot be read anew.
  func check(_ options: ContextOptions, hasPlan: Bool) throws {
    guard contextMode == .reread else { return }
    guard case .tokens = options.context else {
      throw ValidationError("--context-mode reread is for --context N")
    }
    if hasPlan || options.sinks ?? 0 > 0 {
      throw ValidationError(
        "--context-mode reread does not go with \(hasPlan ? "--plan" : "--sinks")")
    }
  }
}

extension ContextLabel {
  /// - Throws: `ToolError` where a segment is longer than the context, or the machine too small.
  init(_ rules: LocalContext, census: ChunkCensus, model: LlamaConfiguration) throws {
    if let tokens = rules.tokens, tokens - rules.sinks < census.longestSegment {
      throw ToolError(
        "--context \(tokens)" + (rules.sinks > 0 ? " with \(rules.sinks) sinks" : "")
          + " is shorter than the longest segment, \(census.longestSegment) tokens")
    }
    let capacity = rules.cacheTokens(longestDocument: census.longestDocument)
    self.init(rules: rules, cacheBytes: try checkedCacheBytes(capacity, model))
  }
}

/// Bytes of keys and values of a context of so many tokens.
///
/// - Throws: `ToolError` where the machine is too small for them.
@discardableResult
func checkedCacheBytes(_ tokens: Int, _ model: LlamaConfiguration) throws -> Int {
  let needed = LocalCache.bytes(model, capacity: tokens)
  if let available = AvailableMemory.now(), needed ?? .max > available.bytes {
    throw ToolError(
      "a context of \(tokens) tokens needs \(megabytes(needed ?? .max)) of keys and values, but "
        + "\(available.limit) has \(megabytes(available.bytes)) left")
  }
  return needed ?? 0
}

func megabytes(_ bytes: Int) -> String { "\(decimal(Double(bytes) / 1e6, 0)) MB" }
