import Tokenization
import Weights

/// The tokenizer that comes with a model.
///
/// - Throws: `WeightsError` where the model has none that is supported.
public func modelTokenizer(_ files: ModelFiles) throws -> any Tokenizer {
  guard let file = files.gguf else {
    throw WeightsError(files.path, "a folder's tokenizer is not supported")
  }
  let stored = try GGUFTokenizer(file)
  do {
    return try BytePairTokenizer(
      tokens: stored.tokens, merges: stored.merges, tokenTypes: stored.tokenTypes,
      preTokenizer: stored.preTokenizer, name: stored.name,
      beginningOfSequence: stored.beginningOfSequence, endOfSequence: stored.endOfSequence)
  } catch let error as TokenizerError {
    throw WeightsError(files.path, error.description)
  }
}
