/// A model, adapter or configuration that cannot be used, in one line that names the field or tensor.
public struct ModelError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
