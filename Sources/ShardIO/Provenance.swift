import Safetensors

/// One tool that the data passed: what ran, with which arguments, on which inputs.
public struct ProvenanceEntry: Equatable, Sendable {
  public var tool: String
  public var version: String
  /// What decides the output: no paths of inputs and outputs, no thread count.
  public var arguments: [String]
  /// The inputs' digests in hexadecimal.
  public var inputs: [String]

  public init(tool: String, version: String, arguments: [String], inputs: [String] = []) {
    self.tool = tool
    self.version = version
    self.arguments = arguments
    self.inputs = inputs
  }
}

/// The tools that the data passed, the first one first.
public typealias Provenance = [ProvenanceEntry]

extension ProvenanceEntry {
  var json: JSONValue {
    .object([
      "tool": .string(tool), "version": .string(version),
      "arguments": .array(arguments.map { .string($0) }),
      "inputs": .array(inputs.map { .string($0) }),
    ])
  }

  init?(json: JSONValue) {
    guard let tool = json["tool"]?.stringValue, let version = json["version"]?.stringValue,
      let arguments = json["arguments"]?.arrayValue, let inputs = json["inputs"]?.arrayValue
    else { return nil }
    self.init(
      tool: tool, version: version, arguments: arguments.compactMap(\.stringValue),
      inputs: inputs.compactMap(\.stringValue))
    guard self.arguments.count == arguments.count, self.inputs.count == inputs.count else {
      return nil
    }
  }
}

extension Provenance {
  /// The JSON array that stands in block 0.
  public var encoded: String { JSONValue.array(map(\.json)).encoded }

  /// Nil where the text is not such an array.
  public init?(parsing text: String) {
    guard let elements = try? JSONValue(parsing: text).arrayValue else { return nil }
    self = elements.compactMap(ProvenanceEntry.init(json:))
    guard count == elements.count else { return nil }
  }
}
