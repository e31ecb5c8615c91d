import ArgumentParser
import Modeling
import ToolSupport

/// A number of tokens, `full`: the whole document, or `none`: the segment alone.
public enum ContextLength: ExpressibleByArgument, Equatable, Sendable {
  case full, none
  case tokens(Int)

  public init?(argument: String) {
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
public struct ContextOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Attend also to the text before the segment, as it was when it was read: N tokens, the segment and "
        + "the sinks among them, or none; in ml-eval lm also full, the whole document. (default: what the "
        + "plan was made for, else what the adapter was trained beside, else twice a segment and 4 sinks; "
        + "of layout published none)", valueName: "N|full|none"))
  public var context: ContextLength?

  @Option(
    help: ArgumentHelp(
      "Of a full context the first K tokens stay (StreamingLLM). (default: 0 beside --context N, else 4)",
      valueName: "K"))
  public var sinks: Int?

  public init() {}

  public func validate() throws {
    guard (0...Int(Int32.max)).contains(sinks ?? 0) else {
      throw ValidationError("--sinks is \(sinks ?? 0), not in 0...\(Int32.max)")
    }
    if sinks ?? 0 > 0, context == .full || context == ContextLength.none {
      throw ValidationError("--sinks is for --context N")
    }
  }

  /// What is asked for, or the usual context, where that is no whole document.
  ///
  /// - Parameter usual: nil: segments are read alone.
  /// - Throws: `ToolError` where it is the whole document, or for sinks of no context.
  public func sliding(usual: SlidingContext?) throws -> SlidingContext? {
    switch context {
    case .some(.none): return nil
    case .full: throw ToolError.usage("--context full is for ml-eval lm: name a number of tokens")
    case .tokens(let tokens): return SlidingContext(tokens: tokens, sinks: sinks ?? 0)
    case nil:
      guard let usual else {
        if sinks ?? 0 > 0 { throw ToolError.usage("--sinks is for --context N") }
        return nil
      }
      let sinks = sinks ?? usual.sinks
      return SlidingContext(tokens: usual.plannedTokens + sinks, sinks: sinks)
    }
  }
}

extension SlidingContext {
  /// What a segment of so many tokens is usually read beside; nil: it is read alone.
  ///
  /// - Parameters:
  ///   - layout: of the memory; nil: one without a name, whose layers were named one by one.
  ///   - adapter: whose training decides where it had a memory.
  ///   - plan: which leaves the context that it was made for to its reader.
  /// - Throws: `ModelError` where the adapter's config.json is wrong.
  public static func usual(
    layout: RetrievalLayout?, adapter: String?, plan: LoadedPlan? = nil, segmentTokens: Int
  ) throws -> SlidingContext? {
    let trained = try adapter.map(LoadedModel.context(ofAdapter:))
    if let plan {
      let sinks = trained?.context?.sinks ?? standardSinks
      return plan.parameters.contextTokens.map { SlidingContext(tokens: $0 + sinks, sinks: sinks) }
    }
    if let trained, trained.isTrained { return trained.context }
    return (layout ?? .all).context(segmentTokens: segmentTokens)
  }
}
