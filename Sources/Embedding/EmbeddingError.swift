import Safetensors

/// What is wrong with a retriever folder, a model or a request, in one line.
public struct EmbeddingError: Error, Equatable, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}

/// Refuses by name a field that is not known and asks for something.
func refuseUnknown(_ json: JSONValue, in file: String, known: (String) -> Bool) throws {
  guard let other = json.unknownField(known: known) else { return }
  throw EmbeddingError("\(file): \(other.name) \(other.value.encoded) is not supported")
}
