import FilePaths
import Glibc
import Safetensors
import Weights

/// Finds the tokenizer of a model's folder or of a file, whatever its format.
public enum TokenizerFiles {
  /// The names that a folder is searched for, in this order.
  ///
  /// XLM-RoBERTa's own model comes first, since its tokenizer.json holds the same as a kind of model
  /// that is not read. tokenizer.json comes before tokenizer.model, whose vocabulary it holds too: it
  /// alone has the tokens that were added later, and says where a space is put before text.
  static let names = ["sentencepiece.bpe.model", "tokenizer.json", "tokenizer.model", "vocab.txt"]

  /// A GGUF file, a tokenizer.json, a SentencePiece model, a WordPiece vocabulary (`.txt`), or a
  /// folder with one of `names`.
  /// - Throws: an error of one line that begins with the path.
  public static func open(path: String) throws -> any Tokenizer {
    guard let file = try find(path) else {
      throw TokenizerError(
        "\(path): no tokenizer that is known here (\(names.joined(separator: ", ")))")
    }
    do { return try tokenizer(file) } catch let error as TokenizerError {
      throw TokenizerError("\(file.path): \(error)")
    }
  }

  /// The tokenizer of a tokenizer.json.
  /// - Parameter configuration: of the tokenizer_config.json beside it.
  /// - Throws: `TokenizerError`.
  public static func tokenizer(
    json bytes: UnsafeRawBufferPointer, configuration: JSONValue = .object([:]), name: String = ""
  ) throws -> any Tokenizer {
    try TokenizerJSON(bytes, configuration: configuration).tokenizer(name: name)
  }

  /// The digest that chunks of this file's or folder's tokenizer carry; nil for a folder without.
  public static func digest(path: String) throws -> String? {
    guard let file = try find(path) else { return nil }
    if startsWith(file, "GGUF") { return try digest(of: GGUFFile(path: file.path)) }
    return try open(path: path).identity.digest
  }

  /// The same of a file that is open already.
  public static func digest(of file: GGUFFile) throws -> String { try GGUFTokenizer(file).digest }

  private static func find(_ path: String) throws -> MappedFile? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      return try MappedFile(path: path)
    }
    let found = names.first { access(path + "/" + $0, F_OK) == 0 }
    return try found.map { try MappedFile(path: path + "/" + $0) }
  }

  private static func tokenizer(_ file: MappedFile) throws -> any Tokenizer {
    let name = baseName(file.path)
    if startsWith(file, "GGUF") || name.hasSuffix(".gguf") {
      return try GGUFTokenizer(GGUFFile(path: file.path)).tokenizer()
    }
    if name.hasSuffix(".json") { return try tokenizerJSON(file, name: name) }
    if name.hasSuffix(".txt") {
      return try WordPieceTokenizer(
        vocabulary: file.withBytes { String(decoding: $0, as: UTF8.self) }, name: name)
    }
    return try file.withBytes {
      try SentencePieceTokenizer(
        model: $0, ids: name == "sentencepiece.bpe.model" ? .fairseq : .own, name: name)
    }
  }

  private static func tokenizerJSON(_ file: MappedFile, name: String) throws -> any Tokenizer {
    let folder = String(file.path.dropLast(name.count))
    var configuration = JSONValue.object([:])
    let path = folder + "tokenizer_config.json"
    if access(path, F_OK) == 0 {
      do {
        configuration = try MappedFile(path: path).withBytes { try JSONValue(parsing: $0) }
      } catch let error as JSONError {
        throw TokenizerError("tokenizer_config.json: \(error)")
      }
    }
    return try file.withBytes {
      try tokenizer(json: $0, configuration: configuration, name: name)
    }
  }

  private static func baseName(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  private static func startsWith(_ file: MappedFile, _ magic: StaticString) -> Bool {
    file.withBytes { bytes in
      magic.withUTF8Buffer { bytes.count >= $0.count && bytes.prefix($0.count).elementsEqual($0) }
    }
  }
}

extension GGUFTokenizer {
  func tokenizer() throws -> BytePairTokenizer {
    switch joining {
    case .merges(let merges, let preTokenizer):
      try BytePairTokenizer(
        tokens: tokens, merges: merges, tokenTypes: tokenTypes, preTokenizer: preTokenizer,
        name: name, beginningOfSequence: beginningOfSequence, endOfSequence: endOfSequence)
    case .scores(let scores, let addsLeadingSpace):
      try BytePairTokenizer(
        tokens: tokens, scores: scores, tokenTypes: tokenTypes,
        addsLeadingSpace: addsLeadingSpace, name: name,
        beginningOfSequence: beginningOfSequence, endOfSequence: endOfSequence)
    }
  }

  /// Of the tokenizer that these tables make, without making it.
  var digest: String {
    switch joining {
    case .merges(let merges, let preTokenizer):
      BytePairTokenizer.digest(
        tokens: tokens, merges: merges, tokenTypes: tokenTypes, preTokenizer: preTokenizer)
    case .scores(let scores, let addsLeadingSpace):
      BytePairTokenizer.digest(
        tokens: tokens, scores: scores, tokenTypes: tokenTypes, addsLeadingSpace: addsLeadingSpace)
    }
  }
}
