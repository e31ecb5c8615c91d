import ArgumentParser
import Modeling

/// The options that say what of the text before it a segment is read beside.
struct ContextArguments: ParsableArguments {
  enum Length: ExpressibleByArgument, Equatable {
    /// Segments are read alone.
    case nothing
    case tokens(Int)

    init?(argument: String) {
      if argument == "none" {
        self = .nothing
      } else if let tokens = Int(argument), (1...Int(Int32.max)).contains(tokens) {
        self = .tokens(tokens)
      } else {
        return nil
      }
    }
  }

  @Option(
    help: ArgumentHelp(
      "Attend also to the document's text before the segment, as it was when it was read: N tokens, "
        + "the segment among them, or none. (default: none)", valueName: "N|none"))
  var context: Length?

  @Option(
    help: ArgumentHelp(
      "Of a full --context the document's first K tokens stay (StreamingLLM).", valueName: "K"))
  var sinks = 0

  func validate() throws {
    guard (0...Int(Int32.max)).contains(sinks) else {
      throw ValidationError("--sinks is \(sinks), not in 0...\(Int32.max)")
    }
    if value == nil, sinks > 0 { throw ValidationError("--sinks is for --context N") }
  }

  /// Nil where segments are read alone.
  var value: SlidingContext? {
    guard case .tokens(let tokens) = context else { return nil }
    return SlidingContext(tokens: tokens, sinks: sinks)
  }
}
