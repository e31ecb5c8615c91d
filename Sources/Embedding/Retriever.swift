import FilePaths
import Glibc
import Safetensors
import Tokenization
import Weights

/// A text to embed and what it is embedded as.
public struct RetrieverText: Hashable, Sendable {
  /// UTF-8; ill-formed parts count as U+FFFD.
  public var text: [UInt8]
  public var role: TextRole

  public init(_ text: [UInt8], as role: TextRole) {
    self.text = text
    self.role = role
  }
}

/// A frozen text retriever, from text to L2-normalised vectors: a sentence-transformers folder, or
/// the folder of a BERT or XLM-RoBERTa encoder.
public final class Retriever: Sendable {
  /// What overrides the folder.
  public struct Options: Equatable, Sendable {
    /// In 2…the encoder's longest text.
    public var maximumLength: Int?
    public var pooling: Pooling?
    /// nil: `lrlm` for llm-embedder, none for others.
    public var instruction: Instruction?

    public init(
      maximumLength: Int? = nil, pooling: Pooling? = nil, instruction: Instruction? = nil
    ) {
      self.maximumLength = maximumLength
      self.pooling = pooling
      self.instruction = instruction
    }
  }

  /// The folder's name.
  public let name: String
  /// Hexadecimal; of all that decides a vector: weights, vocabulary, settings and instruction.
  public let digest: String
  /// Tokens of a text that are read, the instruction and the begin and end token included; what is
  /// beyond is cut off: a key's end, a query's beginning.
  public var maximumLength: Int { encoding.maximumLength }
  public let pooling: Pooling
  public var instruction: Instruction { encoding.instruction }
  /// What was taken for granted since the folder does not say it, in sentences' fragments.
  public let assumptions: [String]
  public var dimension: Int { encoder.configuration.hiddenSize }

  let encoder: BERTEncoder
  private let encoding: TextEncoding

  /// - Parameter folder: holds `config.json`, weights and a tokenizer; and `modules.json` with what
  ///   it names, where it is sentence-transformers'.
  /// - Throws: an error of one line that names the file and what is missing, wrong or unsupported.
  public init(folder: String, options: Options = Options()) throws {
    let settings = try naming(folder) {
      try RetrieverSettings { try json($0, in: folder) }
    }
    let encoderFolder = settings.encoderPath.isEmpty ? folder : folder + "/" + settings.encoderPath
    let model = try ModelFiles.open(path: encoderFolder)
    try model.requireReadableWeights()
    name = modelName(folder)
    let (encoder, tokenizerSettings, vocabulary) = try naming(encoderFolder) {
      (
        try BERTEncoder(
          configuration: try EncoderConfiguration(model.configuration), tensors: model.tensors),
        try json("tokenizer_config.json", in: encoderFolder) ?? .object([:]),
        try optionalFile("vocab.txt", in: encoderFolder)
      )
    }
    self.encoder = encoder
    let tokenizer = try encoderTokenizer(
      folder: encoderFolder, configuration: encoder.configuration, settings: tokenizerSettings,
      vocabulary: vocabulary)
    let isLLMEmbedder = Self.isLLMEmbedder(name, model.configuration)
    encoding = try naming(folder) {
      try TextEncoding(
        tokenizer, maximumLength: try Self.length(options, settings, encoder.configuration),
        instruction: options.instruction ?? (isLLMEmbedder ? .longRange : .none),
        lowercasesText: settings.lowercasesText)
    }
    pooling = options.pooling ?? settings.pooling ?? .cls
    assumptions =
      (options.pooling == nil && settings.pooling == nil
        ? ["pooling cls, since there is no modules.json"] : [])
      + (options.instruction == nil && isLLMEmbedder
        ? ["instruction \(encoding.instruction.name), since it is llm-embedder"] : [])
    let (length, instruction) = (encoding.maximumLength, encoding.instruction)
    digest = hexadecimal([
      model.digest, tokenizer.identity.digest, pooling.rawValue, "\(length)",
      "\(settings.lowercasesText)", instruction.query, instruction.key, "queries keep their end",
    ])
  }

  private static func length(
    _ options: Options, _ settings: RetrieverSettings, _ encoder: EncoderConfiguration
  ) throws -> Int {
    let longest = encoder.longestText
    let length =
      options.maximumLength ?? settings.maximumLength
      ?? min(settings.tokenizerLength ?? longest, longest)
    guard length >= 2, length <= longest else {
      throw EmbeddingError(
        "a maximum length of \(length) is not in 2…\(longest) (max_position_embeddings"
          + (encoder.firstPosition > 0 ? ", of which \(encoder.firstPosition) hold no text)" : ")"))
    }
    return length
  }

  /// By the folder's name, or the one that it was saved from.
  private static func isLLMEmbedder(_ name: String, _ configuration: JSONValue) -> Bool {
    [name, configuration["_name_or_path"]?.stringValue ?? ""].contains { name in
      name.lowercased().replacing("_", with: "-").contains("llm-embedder")
    }
  }

  /// The ids a text is read as: the instruction and the text, Python's `str.strip`, the tokenizer,
  /// cut to `maximumLength`.
  public func tokens(of text: RetrieverText) -> [Int32] {
    encoding.ids(of: text.text, as: text.role)
  }

  /// The vectors [texts, dimension] of one batch, on the calling thread. Their last bits may depend
  /// on the batch: a matrix product's edge rows are summed in another order.
  public func vectors(of texts: [RetrieverText], workspace: EncoderWorkspace) -> [Float] {
    // A key and a query may well be read as the same ids.
    var places: [[Int32]: Int] = [:]
    var unique: [[Int32]] = []
    let order = texts.map { text in
      let ids = tokens(of: text)
      if let place = places[ids] { return place }
      places[ids] = unique.count
      unique.append(ids)
      return unique.count - 1
    }
    let lengths = unique.map(\.count)
    let width = dimension
    let vectors = encoder.forward(
      tokens: Array(unique.joined()), lengths: lengths, workspace: workspace
    ) { pooling.vectors($0, lengths: lengths, width: width) }
    guard unique.count < texts.count else { return vectors }
    return order.flatMap { vectors[$0 * width..<($0 + 1) * width] }
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
func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
  do { return try body() } catch { throw EmbeddingError("\(path): \(error)") }
}

private func hexadecimal(_ parts: [String]) -> String {
  let bytes = Array(parts.joined(separator: "\n").utf8)
  let digits = String(bytes.withUnsafeBytes { contentHash($0) }, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
