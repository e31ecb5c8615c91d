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
  ///   - folder: holds `modules.json`, `config.json`, `model.safetensors`, `vocab.txt`, ….
  ///   - maximumLength: instead of the folder's `max_seq_length`, in 2…positions.
  /// - Throws: an error of one line that names the file and what is missing, wrong or unsupported.
  public init(folder: String, maximumLength: Int? = nil) throws {
    let settings = try RetrieverSettings { file in
      try optionalFile(folder + "/" + file).map { try parsed($0) }
    }
    let encoderFolder = settings.encoderPath.isEmpty ? folder : folder + "/" + settings.encoderPath
    let model = try ModelFiles.open(path: encoderFolder)
    encoder = try naming(encoderFolder) {
      try BERTEncoder(
        configuration: EncoderConfiguration(model.configuration), tensors: model.tensors)
    }
    let positions = encoder.configuration.positions
    let length = maximumLength ?? settings.maximumLength ?? positions
    guard (2...positions).contains(length) else {
      throw EmbeddingError(
        "\(folder): a maximum length of \(length) is not in 2…\(positions) (max_position_embeddings)")
    }
    tokenizer = try wordPieceTokenizer(
      folder: encoderFolder, vocabularyLimit: encoder.configuration.vocabularySize)
    name = model.name
    pooling = settings.pooling
    lowercasesText = settings.lowercasesText
    self.maximumLength = length
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

/// nil when there is no such file.
private func optionalFile(_ path: String) throws -> MappedFile? {
  access(path, F_OK) == 0 ? try MappedFile(path: path) : nil
}

private func parsed(_ file: MappedFile) throws -> JSONValue {
  try naming(file.path) { try JSONValue(parsing: file.bytes) }
}

/// An error of the body with the file or folder before it.
private func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
  do { return try body() } catch { throw EmbeddingError("\(path): \(error)") }
}

private func wordPieceTokenizer(
  folder: String, vocabularyLimit: Int
) throws -> WordPieceTokenizer {
  let path = folder + "/vocab.txt"
  guard let vocabulary = try optionalFile(path) else {
    throw EmbeddingError("\(folder): no vocab.txt: only WordPiece vocabularies are supported")
  }
  let settingsPath = folder + "/tokenizer_config.json"
  let settings = try optionalFile(settingsPath).map { try parsed($0) } ?? .object([:])
  let lowercase = settings["do_lower_case"]?.boolValue ?? true
  let tokenizer = try naming(path) {
    try WordPieceTokenizer(
      vocabulary: String(decoding: vocabulary.bytes, as: UTF8.self), lowercase: lowercase,
      stripAccents: settings["strip_accents"]?.boolValue ?? lowercase,
      chineseCharacters: settings["tokenize_chinese_chars"]?.boolValue ?? true)
  }
  let size = tokenizer.identity.vocabularySize
  guard size <= vocabularyLimit else {
    throw EmbeddingError("\(path): \(size) tokens, config.json has a vocab_size of \(vocabularyLimit)")
  }
  return tokenizer
}

private func hexadecimal(_ parts: [String]) -> String {
  let bytes = Array(parts.joined(separator: "\n").utf8)
  let digits = String(bytes.withUnsafeBytes { contentHash($0) }, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
