import Kernels
import Safetensors
import Tokenization
import Weights

/// A frozen text retriever: a sentence-transformers folder, from text to L2-normalised vectors.
public final class Retriever: Sendable {
  /// The model's name and a digest of all that decides a vector: weights, vocabulary, settings.
  public let name, digest: String
  /// Tokens of a text that are read, `[CLS]` and `[SEP]` included; what is beyond is cut off.
  public let maximumLength: Int
  public let pooling: Pooling
  public var dimension: Int { encoder.configuration.hiddenSize }

  let encoder: BERTEncoder
  private let tokenizer: WordPieceTokenizer
  private let lowercasesText: Bool

  /// - Parameters:
  ///   - folder: holds `modules.json`, `config.json`, `model.safetensors`, `vocab.txt`, ….
  ///   - maximumLength: instead of the folder's `max_seq_length`.
  /// - Throws: an error of one line that names the file and what is missing, wrong or unsupported.
  public init(folder: String, maximumLength: Int? = nil) throws {
    let root = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    let settings = try RetrieverSettings { try parsedFile(root + "/" + $0) }
    let encoderFolder = RetrieverSettings.join(root, settings.encoderPath)
    let model = try ModelFiles.open(path: encoderFolder)
    let configuration = try EncoderConfiguration(model.configuration)
    encoder = try BERTEncoder(configuration: configuration, tensors: model.tensors)
    self.tokenizer = try readTokenizer(encoderFolder)
    fatalError()
  }
}
