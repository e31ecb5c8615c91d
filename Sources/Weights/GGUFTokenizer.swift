/// The tables of the tokenizer stored in a GGUF (`tokenizer.ggml.*`, GGUF specification).
public struct GGUFTokenizer: Sendable {
  /// What joins symbols into tokens.
  public enum Joining: Sendable {
    /// Model `gpt2`: `left right`, lowest rank first, in pieces by llama.cpp's name of the rule.
    case merges([String], preTokenizer: String)
    /// Model `llama`: SentencePiece's scores by id; whether a space is put before the text.
    case scores([Double], addsLeadingSpace: Bool)
  }

  /// By id; of `gpt2` in its byte-to-character spelling.
  public let tokens: [String]
  /// By id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  public let tokenTypes: [Int]
  public let joining: Joining
  public let name: String
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?

  /// - Throws: `WeightsError` naming the field that is missing, or the tokenizer that is neither.
  public init(_ file: GGUFFile) throws {
    func value<Value>(_ key: String, _ value: (GGUFValue) -> Value?) throws -> Value {
      guard let value = file.metadata["tokenizer.ggml.\(key)"].flatMap(value) else {
        throw WeightsError(file.path, "no tokenizer: tokenizer.ggml.\(key) is missing")
      }
      return value
    }
    func id(_ key: String) -> Int32? {
      file.metadata["tokenizer.ggml.\(key)"]?.intValue.flatMap { Int32(exactly: $0) }
    }
    func flag(_ key: String) -> Bool? { file.metadata["tokenizer.ggml.\(key)"]?.boolValue }
    switch try value("model", \.stringValue) {
    case "gpt2":
      joining = .merges(
        try value("merges", \.stringsValue), preTokenizer: try value("pre", \.stringValue))
    case "llama":
      for key in ["remove_extra_whitespaces", "precompiled_charsmap"]
      where file.metadata["tokenizer.ggml.\(key)"] != nil && flag(key) != false {
        throw WeightsError(file.path, "tokenizer.ggml.\(key) is not supported")
      }
      joining = .scores(
        try value("scores", \.floatsValue), addsLeadingSpace: flag("add_space_prefix") ?? true)
    case let model:
      throw WeightsError(
        file.path, "tokenizer model \(model) is not supported (gpt2 and llama are)")
    }
    tokens = try value("tokens", \.stringsValue)
    tokenTypes = try value("token_type", \.intsValue)
    name = file.metadata["general.name"]?.stringValue ?? ""
    beginningOfSequence = id("bos_token_id")
    endOfSequence = id("eos_token_id")
  }
}
