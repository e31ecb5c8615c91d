/// The tables of the byte-pair tokenizer stored in a GGUF (`tokenizer.ggml.*`, GGUF specification).
public struct GGUFTokenizer: Sendable {
  /// By id, in GPT-2's byte-to-character spelling.
  public let tokens: [String]
  /// `left right`, lowest rank first.
  public let merges: [String]
  /// By id; 3 is a control token, 4 a user-defined one.
  public let tokenTypes: [Int]
  /// llama.cpp's name of the splitting rule.
  public let preTokenizer: String
  public let name: String
  public let beginningOfSequence: Int32?
  public let endOfSequence: Int32?

  /// - Throws: `WeightsError` naming the field that is missing, or the tokenizer that is not byte-pair.
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
    let model = try value("model", \.stringValue)
    guard model == "gpt2" else {
      throw WeightsError(file.path, "tokenizer model \(model) is not supported (gpt2 is)")
    }
    tokens = try value("tokens", \.stringsValue)
    merges = try value("merges", \.stringsValue)
    tokenTypes = try value("token_type", \.intsValue)
    preTokenizer = try value("pre", \.stringValue)
    name = file.metadata["general.name"]?.stringValue ?? ""
    beginningOfSequence = id("bos_token_id")
    endOfSequence = id("eos_token_id")
  }
}
