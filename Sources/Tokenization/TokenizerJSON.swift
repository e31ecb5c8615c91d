import Safetensors

/// A `tokenizer.json` of Hugging Face's tokenizers: byte-pair models, of bytes or of characters, and
/// WordPiece. What a file asks for beyond that is refused by name.
struct TokenizerJSON {
  let model: JSONComponent
  let normalizer: JSONComponent?
  let preTokenizer: JSONComponent?
  let addedTokens: [JSONAddedToken]
  let boundaries: Boundaries
  /// Everything but the vocabulary, to tell apart tokenizers that share one.
  let settings: String

  /// - Parameters:
  ///   - bytes: the file.
  ///   - configuration: of the `tokenizer_config.json` beside it, which names the begin and end token
  ///     where the tokenizer.json adds none.
  /// - Throws: `TokenizerError`.
  init(_ bytes: UnsafeRawBufferPointer, configuration: JSONValue) throws {
    let file: JSONValue
    do { file = try JSONValue(parsing: bytes, listed: ["vocab"]) } catch {
      throw TokenizerError("\(error)")
    }
    guard let model = try JSONComponent("model", Self.model(file)) else {
      throw TokenizerError("no model")
    }
    self.model = model
    normalizer = try JSONComponent("normalizer", file["normalizer"])
    preTokenizer = try JSONComponent("pre_tokenizer", file["pre_tokenizer"])
    addedTokens = try (file["added_tokens"]?.arrayValue ?? []).map(JSONAddedToken.init)
    boundaries = try Boundaries(
      JSONComponent("post_processor", file["post_processor"]), configuration)
    if let decoder = try JSONComponent("decoder", file["decoder"]) { try Self.check(decoder) }
    settings = Self.settings(file)
  }

  func tokenizer(name: String) throws -> any Tokenizer {
    switch model.type {
    case "BPE": try bytePair(name: name)
    case "WordPiece": try wordPiece(name: name)
    default: throw model.refusal()
    }
  }

  /// The model; files of old leave out its type.
  private static func model(_ file: JSONValue) -> JSONValue? {
    guard case .object(var fields)? = file["model"] else { return nil }
    if fields["type"] == nil, fields["merges"] != nil { fields["type"] = "BPE" }
    return .object(fields)
  }

  private static func settings(_ file: JSONValue) -> String {
    var kept: [String: JSONValue] = [:]
    for part in ["normalizer", "pre_tokenizer", "added_tokens"] { kept[part] = file[part] }
    if case .object(var model)? = file["model"] {
      model["vocab"] = nil
      model["merges"] = nil
      kept["model"] = .object(model)
    }
    return JSONValue.object(kept).encoded
  }

  /// Ids are decoded to the bytes that they stand for, which is what these do; then they take away
  /// spaces, which is left to who asks.
  private static func check(_ decoder: JSONComponent) throws {
    switch decoder.type {
    case "ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip", "WordPiece": break
    case "Sequence": try decoder.members("decoders").forEach(check)
    default: throw decoder.refusal()
    }
  }
}

/// A member of `added_tokens`.
struct JSONAddedToken {
  let content: String
  let id: Int
  let isSpecial: Bool
  /// Found in normalised text.
  let isNormalized: Bool
  let stripsLeft: Bool
  let stripsRight: Bool
  let isSingleWord: Bool

  init(_ value: JSONValue) throws {
    guard let content = value["content"]?.stringValue, let id = value["id"]?.intValue else {
      throw TokenizerError("an added token without content or id")
    }
    func flag(_ key: String, or missing: Bool) -> Bool { value[key]?.boolValue ?? missing }
    self.content = content
    self.id = id
    isSpecial = flag("special", or: false)
    isNormalized = flag("normalized", or: !isSpecial)
    stripsLeft = flag("lstrip", or: false)
    stripsRight = flag("rstrip", or: false)
    isSingleWord = flag("single_word", or: false)
  }

  /// Whether it is found wherever it stands and takes nothing with it.
  var isPlain: Bool { !stripsLeft && !stripsRight && !isSingleWord }

  func token(id: Int32) -> AddedToken {
    AddedToken(
      text: Array(content.utf8), id: id, isSpecial: isSpecial, stripsLeft: stripsLeft,
      stripsRight: stripsRight, isSingleWord: isSingleWord)
  }
}
