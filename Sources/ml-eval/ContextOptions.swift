import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import ToolSupport

extension LocalContext.Mode: ExpressibleByArgument {}

/// A number of tokens, `full`: the whole document, or `none`: the segment alone.
enum ContextLength: ExpressibleByArgument, Equatable {
  case full, none
  case tokens(Int)

  init?(argument: String) {
    if argument == "full" {
      self = .full
    } else if argument == "none" {
      self = .none
    } else if let tokens = Int(argument), (1...Int(Int32.max)).contains(tokens) {
      self = .tokens(tokens)
    } else {
      return nil
    }
  }
}

/// The options that say what of the text before it a segment attends to as it stands.
struct ContextOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Attend also to the text before the segment: N tokens, the segment and the sinks among them, full "
        + "(the whole document) or none. (default: the plan's, else the adapter's, else twice a segment "
        + "and 4 sinks; of layout published none)", valueName: "N|full|none"))
  var context: ContextLength?

  @Option(
    help: ArgumentHelp(
      "Of a full context the first K tokens stay (StreamingLLM). (default: 0 beside --context N, else 4)",
      valueName: "K"))
  var sinks: Int?

  func validate() throws {
    guard (0...Int(Int32.max)).contains(sinks ?? 0) else {
      throw ValidationError("--sinks is \(sinks ?? 0), not in 0...\(Int32.max)")
    }
    if sinks != nil, context == .full || context == ContextLength.none {
      throw ValidationError("--sinks is for --context N")
    }
  }

  /// The context asked for, or the usual one.
  ///
  /// - Parameter planned: tokens of the usual one without its sinks, at least a segment; nil: none.
  /// - Throws: `ValidationError` for sinks of no context.
  func rules(planned: Int?) throws -> LocalContext? {
    switch context {
    case .some(.none): return nil
    case .full: return LocalContext(tokens: nil)
    case .tokens(let tokens): return LocalContext(tokens: tokens, sinks: sinks ?? 0)
    case nil:
      guard let planned else {
        if sinks != nil { throw ValidationError("--sinks is for --context N") }
        return nil
      }
      let sinks = sinks ?? SlidingContext.standardSinks
      return LocalContext(tokens: planned + sinks, sinks: sinks)
    }
  }

  /// The same for a reader that cannot keep a whole document.
  ///
  /// - Throws: `ToolError` where it is to, or a segment is longer than the context.
  func sliding(
    planned: Int?, census: ChunkCensus, model: LlamaConfiguration
  ) throws -> SlidingContext? {
    guard let rules = try rules(planned: planned) else { return nil }
    _ = try ContextLabel(rules, census: census, model: model)
    return try rules.sliding()
  }

  /// Tokens, without sinks, of the context that a segment of so many tokens is usually read beside.
  ///
  /// - Parameters:
  ///   - layout: of the memory; nil: one without a name, whose layers were named one by one.
  ///   - adapter: whose training decides where it had a memory.
  static func planned(
    layout: RetrievalLayout?, adapter: String?, segmentTokens: Int
  ) throws -> Int? {
    if let adapter, try LoadedModel.memory(ofAdapter: adapter) != nil { return nil }
    return (layout ?? .all).context(segmentTokens: segmentTokens)?.plannedTokens
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

extension LocalContext {
  /// - Throws: `ToolError` where it is the whole document.
  func sliding() throws -> SlidingContext {
    guard let tokens else {
      throw ToolError.usage("--context full is for ml-eval lm: name a number of tokens")
    }
    return SlidingContext(tokens: tokens, sinks: sinks)
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

private func megabytes(_ bytes: Int) -> String { "\(decimal(Double(bytes) / 1e6, 0)) MB" }
