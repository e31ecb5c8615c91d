import ArgumentParser
import Evaluation
import ModelSupport
import Modeling
import ToolSupport

extension LocalContext.Mode: ExpressibleByArgument {}

/// A number of tokens, or `full`: the whole document.
enum ContextLength: ExpressibleByArgument, Equatable {
  case full
  case tokens(Int)

  init?(argument: String) {
    if argument == "full" {
      self = .full
    } else if let tokens = Int(argument), (1...Int(Int32.max)).contains(tokens) {
      self = .tokens(tokens)
    } else {
      return nil
    }
  }
}

/// The options of baselines that attend to the text before a segment.
struct ContextOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Attend also to the document's text before the segment: N tokens, the segment among them, or "
        + "full. (default: the segment alone)", valueName: "N|full"))
  var context: ContextLength?

  @Option(
    help: ArgumentHelp(
      "slide: keep the keys and values of the text before; reread: read it anew with every segment.",
      valueName: "HOW"))
  var contextMode = LocalContext.Mode.slide

  @Option(
    help: ArgumentHelp(
      "Of a full --context the first K tokens stay (StreamingLLM).", valueName: "K"))
  var sinks = 0

  @Option(
    help: ArgumentHelp(
      "Stretch the rotary embedding: linear:F (position interpolation), dynamic:F (NTK) or yarn:F. "
        + "(default: the model's own)", valueName: "KIND:F"))
  var ropeScaling: RopeScaling?

  func validate() throws {
    guard (0...Int(Int32.max)).contains(sinks) else {
      throw ValidationError("--sinks is \(sinks), not in 0...\(Int32.max)")
    }
    if case .tokens = context { return }
    if sinks > 0 { throw ValidationError("--sinks is for --context N") }
    if contextMode == .reread { throw ValidationError("--context-mode reread is for --context N") }
  }

  /// - Parameter hasPlan: whether a memory is read too.
  func rules(hasPlan: Bool) throws -> LocalContext? {
    if contextMode == .reread && (hasPlan || sinks > 0) {
      throw ValidationError(
        "--context-mode reread does not go with \(hasPlan ? "--plan" : "--sinks")")
    }
    switch context {
    case nil: return nil
    case .full: return LocalContext(tokens: nil)
    case .tokens(let tokens): return LocalContext(tokens: tokens, mode: contextMode, sinks: sinks)
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
