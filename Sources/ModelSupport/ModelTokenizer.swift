import Tokenization
import Weights

/// The tokenizer that comes with a model.
///
/// - Throws: `TokenizerError` or `WeightsError` where the model has none that is supported.
public func modelTokenizer(_ files: ModelFiles) throws -> any Tokenizer {
  try TokenizerFiles.open(path: files.path)
}
