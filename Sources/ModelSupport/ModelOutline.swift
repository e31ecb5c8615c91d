import Modeling
import Weights

/// A model's shape and the memory it is to have, known before any weight is loaded.
public struct ModelOutline: Sendable {
  public let files: ModelFiles
  public let configuration: LlamaConfiguration
  public let memory: MemoryConfiguration?

  /// - Parameter memory: the memory's configuration for a decoder of so many layers, nil without one.
  public init(path: String, memory: (Int) -> MemoryConfiguration?) throws {
    files = try ModelFiles.open(path: path)
    configuration = try LlamaConfiguration(huggingFace: files.configuration)
    self.memory = memory(configuration.layerCount)
    try self.memory?.validate(layerCount: configuration.layerCount)
  }

  /// Bytes of the files that the weights lie in.
  public var fileBytes: Int { files.byteCount }
}
