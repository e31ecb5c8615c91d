/// What is wrong with a retriever folder, a model or a request, in one line.
public struct EmbeddingError: Error, Equatable, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
