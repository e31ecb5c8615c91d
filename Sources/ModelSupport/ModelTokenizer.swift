import FilePaths
import Glibc
import Safetensors
import Tokenization
import Weights

/// The tokenizer that comes with a model.
///
/// - Throws: `TokenizerError` or `WeightsError` where the model has none that is supported.
public func modelTokenizer(_ files: ModelFiles) throws -> any Tokenizer {
  try TokenizerFiles.open(path: files.path)
}

/// Whether texts begin with the tokenizer's begin token, as its files say (`add_bos_token`): true of
/// Llama's, false of SmolLM2's. Where they say nothing, a SentencePiece model's do, as in
/// transformers and llama.cpp, and no other's.
///
/// - Parameter path: of the tokenizer: a file or a folder.
public func addsBeginToken(_ path: String) throws -> Bool {
  var status = stat()
  guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
    guard path.hasSuffix(".gguf") else { return path.hasSuffix(".model") }
    let metadata = try GGUFFile(path: path).metadata
    return metadata["tokenizer.ggml.add_bos_token"]?.boolValue
      ?? (metadata["tokenizer.ggml.model"]?.stringValue == "llama")
  }
  let settings = path + "/tokenizer_config.json"
  if access(settings, F_OK) == 0 {
    let json = try? MappedFile(path: settings).withBytes { try JSONValue(parsing: $0) }
    if let says = json?["add_bos_token"]?.boolValue { return says }
  }
  return access(path + "/tokenizer.model", F_OK) == 0
}
