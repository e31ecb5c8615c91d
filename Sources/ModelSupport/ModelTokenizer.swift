import Modeling
import Records
import Tokenization
import Weights

/// The tokenizer that a model's files carry, and whether texts begin with its begin token.
public struct ModelTokenizer: Sendable {
  public let tokenizer: any Tokenizer
  /// What the file says of itself (`add_bos_token`): true of Llama's, false of SmolLM2's.
  public let addsBeginToken: Bool

  /// - Throws: `ModelError` where the files carry none.
  public init(_ files: ModelFiles) throws {
    guard let gguf = files.gguf else {
      throw ModelError("\(files.path): carries no tokenizer (name a GGUF file with --tokenizer)")
    }
    let stored = try GGUFTokenizer(gguf)
    do {
      tokenizer = try BytePairTokenizer(
        tokens: stored.tokens, merges: stored.merges, tokenTypes: stored.tokenTypes,
        preTokenizer: stored.preTokenizer, name: stored.name,
        beginningOfSequence: stored.beginningOfSequence, endOfSequence: stored.endOfSequence)
    } catch let error as TokenizerError {
      throw ModelError("\(files.path): \(error)")
    }
    addsBeginToken = gguf.metadata["tokenizer.ggml.add_bos_token"]?.boolValue ?? false
  }

  /// What shards of chunks call it.
  public var identity: TokenizerIdentity {
    let identity = tokenizer.identity
    return TokenizerIdentity(
      name: identity.name, vocabularySize: identity.vocabularySize, digest: identity.digest)
  }
}
