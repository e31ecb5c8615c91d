/// An input that cannot be chunked: where, and what is wrong, in one line.
public struct DocumentError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
