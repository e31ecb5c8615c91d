import Modeling
import Records
import Tokenization
import ToolSupport
import Weights

/// A model's shape and the memory it is to have, known before any weight is loaded.
public struct ModelOutline: Sendable {
  public let files: ModelFiles
  public let configuration: LlamaConfiguration
  public let memory: MemoryConfiguration?

  /// - Parameters:
  ///   - path: of a `.gguf` file or a folder, or a hub name.
  ///   - ropeScaling: in place of the model's own.
  ///   - memory: the memory's configuration for a decoder of so many layers, nil without one.
  public init(
    path: ModelName, ropeScaling: RopeScaling? = nil, memory: (Int) throws -> MemoryConfiguration?
  ) throws {
    let path = try path.path()
    let stored = try ModelFiles.open(path: path)
    files = try ropeScaling.map { try stored.setting(ropeScaling: $0.json) } ?? stored
    let fields = files.configuration
    configuration = try naming(path) { try LlamaConfiguration(huggingFace: fields) }
    self.memory = try memory(configuration.layerCount)
    try self.memory?.validate(layerCount: configuration.layerCount)
  }

  /// Bytes of the files that the weights lie in.
  public var fileBytes: Int { files.byteCount }

  /// Refuses chunks that another tokenizer made: by the size of the vocabulary, which the model's may
  /// exceed (Qwen2 and Phi-3 have rows to spare), and by digest where the file or folder has a tokenizer.
  ///
  /// - Throws: `ModelError` naming both.
  public func check(_ tokenizer: TokenizerIdentity) throws {
    let vocabulary = configuration.vocabularySize
    guard tokenizer.vocabularySize <= vocabulary else {
      throw ModelError(
        "the chunks were made by tokenizer \(tokenizer.name) with \(tokenizer.vocabularySize) "
          + "tokens, but \(files.name) has \(vocabulary)")
    }
    let stored = try files.gguf.map { try TokenizerFiles.digest(of: $0) }
    guard let digest = try stored ?? TokenizerFiles.digest(path: files.path) else { return }
    guard tokenizer.digest == digest else {
      throw ModelError(
        "the chunks were made by tokenizer \(tokenizer.name) (\(tokenizer.digest)), but "
          + "\(files.name) has another (\(digest))")
    }
  }
}

/// Puts the file or folder before what is wrong with it.
func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
  do { return try body() } catch let error as ModelError { throw ModelError("\(path): \(error)") }
}
