import Safetensors
import Tokenization
import Weights

/// From a text to the ids that an encoder reads: the instruction and the text between a begin and
/// an end token.
///
/// A text that is too long loses the end farthest from what matters: a key keeps its first pieces,
/// as published, a query its last ones, which stand before the block that it asks for. The
/// instruction is kept whole.
struct TextEncoding: Sendable {
  let tokenizer: any Tokenizer
  /// Ids, begin and end included.
  let maximumLength: Int
  let instruction: Instruction
  /// sentence-transformers lowercases the text before the tokenizer sees it.
  let lowercasesText: Bool
  private let begin, end: Int32
  private var instructionIds: [TextRole: [Int32]] = [:]

  /// - Throws: `EmbeddingError` when the tokenizer frames no texts, or the instruction leaves no room.
  init(
    _ tokenizer: any Tokenizer, maximumLength: Int, instruction: Instruction, lowercasesText: Bool
  ) throws {
    guard let begin = tokenizer.beginningOfSequence, let end = tokenizer.endOfSequence else {
      throw EmbeddingError("the tokenizer has no begin and end token for the encoder to read")
    }
    (self.begin, self.end) = (begin, end)
    self.tokenizer = tokenizer
    self.maximumLength = maximumLength
    self.instruction = instruction
    self.lowercasesText = lowercasesText
    for role in TextRole.allCases {
      let ids = pieces(of: instruction.prefix(role))
      guard ids.isEmpty || ids.count < maximumLength - 2 else {
        throw EmbeddingError(
          "instruction \(instruction.name) takes \(ids.count) of the \(maximumLength) tokens that "
            + "are read: no room for a text")
      }
      instructionIds[role] = ids
    }
  }

  /// The ids of a text: Python's `str.strip`, the tokenizer, cut to `maximumLength`.
  /// - Parameter text: UTF-8; ill-formed parts count as U+FFFD.
  func ids(of text: [UInt8], as role: TextRole) -> [Int32] {
    let whole = instruction.prefix(role) + String(decoding: text, as: UTF8.self)
    var ids = pieces(of: whole)
    let excess = ids.count - (maximumLength - 2)
    if excess > 0 {
      switch role {
      case .key: ids.removeLast(excess)
      case .query:
        // The text's pieces do not join the instruction's: a space is between them.
        let first = instructionIds[role]!.count
        ids.removeSubrange(first..<first + excess)
      }
    }
    return [begin] + ids + [end]
  }

  private func pieces(of text: String) -> [Int32] {
    let stripped = PythonText.stripped(text)
    return tokenizer.encode(lowercasesText ? stripped.lowercased() : String(stripped))
  }
}

/// The tokenizer of an encoder's folder.
/// - Parameters:
///   - settings: `tokenizer_config.json`, empty where there is none.
///   - vocabulary: `vocab.txt`, nil where there is none.
/// - Throws: an error of one line that begins with the folder.
func encoderTokenizer(
  folder: String, configuration: EncoderConfiguration, settings: JSONValue, vocabulary: MappedFile?
) throws -> any Tokenizer {
  let ofVocabulary = try naming(folder) {
    try vocabularyTokenizer(configuration: configuration, settings: settings, vocabulary)
  }
  let tokenizer = try ofVocabulary ?? TokenizerFiles.open(path: folder)
  let (size, limit) = (tokenizer.identity.vocabularySize, configuration.vocabularySize)
  guard size <= limit else {
    throw EmbeddingError(
      "\(folder): \(tokenizer.identity.name): \(size) tokens, but config.json has vocab_size \(limit)"
    )
  }
  return tokenizer
}

/// BERT's tokenizer by its `vocab.txt`; nil for another encoder, or without that file.
/// - Throws: an error of one line that names the file, without the folder.
private func vocabularyTokenizer(
  configuration: EncoderConfiguration, settings: JSONValue, _ vocabulary: MappedFile?
) throws -> (any Tokenizer)? {
  let settingsFile = "tokenizer_config.json"
  let stem = configuration.family == .bert ? "BertTokenizer" : "XLMRobertaTokenizer"
  if let name = settings["tokenizer_class"]?.stringValue, ![stem, stem + "Fast"].contains(name) {
    throw EmbeddingError("\(settingsFile): tokenizer_class \(name) is not supported")
  }
  if settings["do_basic_tokenize"]?.boolValue == false {
    throw EmbeddingError("\(settingsFile): do_basic_tokenize false is not supported")
  }
  guard configuration.family == .bert, let vocabulary else { return nil }
  return try naming("vocab.txt") {
    try WordPieceTokenizer(
      vocabulary: vocabulary.withBytes { String(decoding: $0, as: UTF8.self) },
      lowercase: settings["do_lower_case"]?.boolValue ?? true,
      stripAccents: settings["strip_accents"]?.boolValue,
      chineseCharacters: settings["tokenize_chinese_chars"]?.boolValue ?? true,
      name: "vocab.txt")
  }
}
