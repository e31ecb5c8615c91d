import FilePaths
import ShardIO

extension CommonOptions {
  /// The provenance of this run's output: that of the input, then this tool with the arguments
  /// that decide the output. Nil with `--no-provenance`.
  ///
  /// Output bytes must not depend on threads, on the output's path or on whether the input came
  /// through a pipe, so those arguments are left out (an input is named by its digest); other
  /// paths keep their last component.
  /// - Parameters:
  ///   - earlier: the provenance of the input
  ///   - inputs: the positional INPUT arguments as parsed
  ///   - digests: of inputs already read; a deferred first block adds them at its end
  ///   - omitting: further options with a value that do not decide the output (`--log`)
  ///   - flags: further flags that do not (`--resume`)
  public func provenance(
    earlier: Provenance? = nil, inputs: [String], digests: [Digest] = [],
    omitting: Set<String> = [], flags: Set<String> = []
  ) -> Provenance? {
    if noProvenance { return nil }
    let entry = ProvenanceEntry(
      tool: ToolName.current, version: toolVersion,
      arguments: recordedArguments(
        Array(commandLineArguments().dropFirst()), inputs: inputs, omitting: omitting,
        flags: flags),
      inputs: digests.map(\.description))
    return (earlier ?? []) + [entry]
  }
}

/// The arguments without what must not decide the output.
public func recordedArguments(
  _ arguments: [String], inputs: [String], omitting: Set<String> = [], flags: Set<String> = []
) -> [String] {
  let withValue = omitting.union(["-o", "--output", "--threads"])
  let flags = flags.union(["--quiet", "--verbose", "--no-provenance", "--"])
  var kept: [String] = []
  var index = 0
  while index < arguments.count {
    let argument = arguments[index]
    index += 1
    if withValue.contains(argument) {
      index += 1
    } else if withValue.contains(where: { argument.hasPrefix($0 + "=") })
      || flags.contains(argument)
      || isQuietOrVerbose(argument)
    {
      continue
    } else {
      kept.append(argument)
    }
  }
  // positionals usually come last: an equal value of an option survives
  for input in inputs.reversed() {
    if let last = kept.lastIndex(of: input) { kept.remove(at: last) }
  }
  return kept.map(withoutFolders)
}

private func isQuietOrVerbose(_ argument: String) -> Bool {
  let letters = argument.utf8.dropFirst()
  return argument.utf8.first == UInt8(ascii: "-") && !letters.isEmpty
    && letters.allSatisfy { $0 == UInt8(ascii: "q") || $0 == UInt8(ascii: "v") }
}

/// `--model=/a/b/` as `--model=b`, `/a/b` as `b`.
private func withoutFolders(_ argument: String) -> String {
  var name = ""
  var value = argument[...]
  if argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") {
    name = String(argument[...equals])
    value = argument[argument.index(after: equals)...]
  }
  while value.count > 1, value.last == "/" { value.removeLast() }
  guard let slash = value.lastIndex(of: "/"), value.count > 1 else { return name + value }
  return name + value[value.index(after: slash)...]
}
