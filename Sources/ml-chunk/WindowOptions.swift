import ArgumentParser
import Chunking
import Records

/// The options of the published windows.
struct WindowOptions: ParsableArguments {
  /// So that the list of a window's segments stays small.
  private static let largest = 1 << 24

  @Option(
    help: ArgumentHelp(
      "Make every window of L tokens a document of its own, for ml-eval lm --protocol window.",
      valueName: "L"))
  var window: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens from one window's start to the next one's; a window that would end with its document "
        + "is not taken. (default: L)", valueName: "N"))
  var stride: Int?

  @Option(
    help: ArgumentHelp(
      "The window's last tokens, one segment: those that are scored. (default: 2048)",
      valueName: "N"))
  var lastContext: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens of a segment before them, a multiple of G. (default: G)", valueName: "P"))
  var prefillTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Leave out documents of fewer tokens; above 32768, as published, take the first window only. "
        + "(default: 32767)", valueName: "N"))
  var filterLength: Int?

  func validate() throws {
    let numbers = [
      ("--window", window), ("--stride", stride), ("--last-context", lastContext),
      ("--prefill-tokens", prefillTokens), ("--filter-length", filterLength),
    ]
    for case (let name, let value?) in numbers {
      guard window != nil else { throw ValidationError("\(name) is for --window") }
      guard (1...Self.largest).contains(value) else {
        throw ValidationError("\(name) is \(value), not in 1...\(Self.largest)")
      }
    }
  }

  /// nil without windows.
  func rules(chunkTokens: Int) throws -> WindowRules? {
    guard let window else { return nil }
    let prefill = prefillTokens ?? chunkTokens
    guard prefill.isMultiple(of: chunkTokens) else {
      throw ValidationError(
        "--prefill-tokens is \(prefill), not a multiple of --chunk-tokens \(chunkTokens)")
    }
    return WindowRules(
      length: window, stride: stride ?? window, lastContext: lastContext ?? 2048,
      prefillTokens: prefill, filterLength: filterLength ?? 32767)
  }
}

extension WindowParameters {
  init(_ rules: WindowRules, bos: Bool) {
    self.init(
      length: rules.length, stride: rules.stride, lastContext: rules.lastContext,
      prefillTokens: rules.prefillTokens, filterLength: rules.filterLength, bos: bos)
  }
}
