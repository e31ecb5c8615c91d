import Glibc
import Weights

/// Finds the tokenizer of a model's folder or of a file, whatever its format.
public enum TokenizerFiles {
  /// The names that a folder is searched for, in this order.
  static let names = ["tokenizer.model", "sentencepiece.bpe.model", "vocab.txt"]

  /// A GGUF file, a SentencePiece model, a WordPiece vocabulary (`.txt`), or a folder with one of
  /// `tokenizer.model`, `sentencepiece.bpe.model` and `vocab.txt`.
  /// - Throws: an error of one line that begins with the path.
  public static func open(path: String) throws -> any Tokenizer {
    guard let file = try find(path) else {
      let json = access(path + "/tokenizer.json", F_OK) == 0
      throw TokenizerError(
        "\(path): no tokenizer that is known here (\(names.joined(separator: ", ")))"
          + (json ? "; tokenizer.json is not read" : ""))
    }
    do { return try tokenizer(file) } catch let error as TokenizerError {
      throw TokenizerError("\(file.path): \(error)")
    }
  }

  /// The digest that chunks of this file's or folder's tokenizer carry; nil for a folder without.
  public static func digest(path: String) throws -> String? {
    guard let file = try find(path) else { return nil }
    if startsWith(file, "GGUF") {
      let stored = try GGUFTokenizer(try GGUFFile(path: file.path))
      return BytePairTokenizer.digest(
        tokens: stored.tokens, merges: stored.merges, tokenTypes: stored.tokenTypes,
        preTokenizer: stored.preTokenizer)
    }
    return try open(path: path).identity.digest
  }

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
      let stored = try GGUFTokenizer(try GGUFFile(path: file.path))
      return try BytePairTokenizer(
        tokens: stored.tokens, merges: stored.merges, tokenTypes: stored.tokenTypes,
        preTokenizer: stored.preTokenizer, name: stored.name,
        beginningOfSequence: stored.beginningOfSequence, endOfSequence: stored.endOfSequence)
    }
    if name.hasSuffix(".txt") {
      return try WordPieceTokenizer(
        vocabulary: file.withBytes { String(decoding: $0, as: UTF8.self) }, name: name)
    }
    return try file.withBytes {
      try SentencePieceTokenizer(
        model: $0, ids: name == "sentencepiece.bpe.model" ? .fairseq : .own, name: name)
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
