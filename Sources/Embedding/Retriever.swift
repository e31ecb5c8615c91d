import Glibc
import Safetensors
import Tokenization
import Weights

/// A frozen text retriever: a sentence-transformers folder, from text to L2-normalised vectors.
public final class Retriever: Sendable {
  /// The folder's name.
  public let name: String
  /// Hexadecimal; of all that decides a vector: weights, vocabulary and settings.
  public let digest: String
  /// Tokens of a text that are read, `[CLS]` and `[SEP]` included; what is beyond is cut off.
  public let maximumLength: Int
  public let pooling: Pooling
  public var dimension: Int { encoder.configuration.hiddenSize }

  let encoder: BERTEncoder
  private let tokenizer: WordPieceTokenizer
  private let lowercasesText: Bool

  /// - Parameters:
  ///   - folder: holds `modules.json`, `config.json`, weights, `vocab.txt`, ….
  ///   - maximumLength: instead of the folder's `max_seq_length`, in 2…positions.
  /// - Throws: an error of one line that names the file and what is missing, wrong or unsupported.
  public init(folder: String, maximumLength: Int? = nil) throws {
    let settings = try naming(folder) {
      try RetrieverSettings { try json($0, in: folder) }
    }
    let encoderFolder = settings.encoderPath.isEmpty ? folder : folder + "/" + settings.encoderPath
    let model = try ModelFiles.open(path: encoderFolder)
    try model.requireReadableWeights()
    (encoder, tokenizer) = try naming(encoderFolder) {
      let configuration = try EncoderConfiguration(model.configuration)
      return (
        try BERTEncoder(configuration: configuration, tensors: model.tensors),
        try wordPieceTokenizer(folder: encoderFolder, limit: configuration.vocabularySize)
      )
    }
    let positions = encoder.configuration.positions
    let length = maximumLength ?? settings.maximumLength ?? positions
    guard (2...positions).contains(length) else {
      throw EmbeddingError(
        "\(folder): a maximum length of \(length) is not in 2…\(positions) (max_position_embeddings)"
      )
    }
    self.maximumLength = length
    pooling = settings.pooling
    lowercasesText = settings.lowercasesText
    name = modelName(folder)
    digest = hexadecimal([
      model.digest, tokenizer.identity.digest, pooling.rawValue, "\(length)", "\(lowercasesText)",
    ])
  }

  /// The ids a text is read as: Python's `str.strip`, WordPiece, cut to `maximumLength`.
  /// - Parameter text: UTF-8; ill-formed parts count as U+FFFD.
  public func tokens(of text: [UInt8]) -> [Int32] {
    let stripped = PythonText.stripped(String(decoding: text, as: UTF8.self))
    return tokenizer.encode(
      lowercasesText ? stripped.lowercased() : String(stripped), maximumLength: maximumLength)
  }

  /// The vectors [texts, dimension] of one batch, on the calling thread. Their last bits may depend
  /// on the batch: a matrix product's edge rows are summed in another order.
  public func vectors(of texts: [[UInt8]], workspace: EncoderWorkspace) -> [Float] {
    let ids = texts.map { tokens(of: $0) }
    let lengths = ids.map(\.count)
    return encoder.forward(tokens: Array(ids.joined()), lengths: lengths, workspace: workspace) {
      pooling.vectors($0, lengths: lengths, width: dimension)
    }
  }
}

/// A file of the folder; nil when there is none.
private func optionalFile(_ name: String, in folder: String) throws -> MappedFile? {
  let path = folder + "/" + name
  guard access(path, F_OK) == 0 else { return nil }
  do { return try MappedFile(path: path) } catch let error as WeightsError {
    throw EmbeddingError("\(name): \(error.message)")
  }
}

private func json(_ name: String, in folder: String) throws -> JSONValue? {
  try optionalFile(name, in: folder).map { file in
    try naming(name) { try file.withBytes { try JSONValue(parsing: $0) } }
  }
}

/// An error of the body with the file or folder before it.
private func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
  do { return try body() } catch { throw EmbeddingError("\(path): \(error)") }
}

private func wordPieceTokenizer(folder: String, limit: Int) throws -> WordPieceTokenizer {
  let settingsFile = "tokenizer_config.json"
  let settings = try json(settingsFile, in: folder) ?? .object([:])
  let names = ["BertTokenizer", "BertTokenizerFast"]
  if let name = settings["tokenizer_class"]?.stringValue, !names.contains(name) {
    throw EmbeddingError("\(settingsFile): tokenizer_class \(name) is not supported")
  }
  if settings["do_basic_tokenize"]?.boolValue == false {
    throw EmbeddingError("\(settingsFile): do_basic_tokenize false is not supported")
  }
  let file = "vocab.txt"
  guard let vocabulary = try optionalFile(file, in: folder) else {
    throw EmbeddingError("no vocab.txt: only WordPiece vocabularies are supported")
  }
  let tokenizer = try naming(file) {
    try WordPieceTokenizer(
      vocabulary: vocabulary.withBytes { String(decoding: $0, as: UTF8.self) },
      lowercase: settings["do_lower_case"]?.boolValue ?? true,
      stripAccents: settings["strip_accents"]?.boolValue,
      chineseCharacters: settings["tokenize_chinese_chars"]?.boolValue ?? true)
  }
  let size = tokenizer.identity.vocabularySize
  guard size <= limit else {
    throw EmbeddingError("\(file): \(size) tokens, but config.json has vocab_size \(limit)")
  }
  return tokenizer
}

private func hexadecimal(_ parts: [String]) -> String {
  let bytes = Array(parts.joined(separator: "\n").utf8)
  let digits = String(bytes.withUnsafeBytes { contentHash($0) }, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
