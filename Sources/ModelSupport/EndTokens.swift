import Safetensors
import Tokenization
import ToolSupport
import Weights

/// Every token that ends what a model generates: the tokenizer's; `eos_token_id` of config.json and
/// generation_config.json, a number or a list; of a GGUF also `eot` and `eom`; and what ends a turn of the
/// model's chat format, which many instructed models emit without naming it an end.
///
/// - Throws: `ToolError` naming the file whose ids are none.
public func endTokens(
  _ files: ModelFiles, _ tokenizer: any Tokenizer, _ chat: ChatFormat?
) throws -> Set<Int32> {
  var tokens = Set([tokenizer.endOfSequence].compactMap { $0 })
  tokens.formUnion(try ids(files.configuration["eos_token_id"], "config.json", files))
  let generation = try optionalJSON("generation_config.json", of: files)
  tokens.formUnion(try ids(generation?["eos_token_id"], "generation_config.json", files))
  for name in ["eot", "eom"] {
    let id = files.gguf?.metadata["tokenizer.ggml.\(name)_token_id"]?.intValue
    if let id = id.flatMap({ Int32(exactly: $0) }) { tokens.insert(id) }
  }
  for spelling in chat?.endTokens ?? [] {
    // one id: the vocabulary has the token
    let ids = tokenizer.encode(spelling, specialTokens: .parse)
    if ids.count == 1 { tokens.insert(ids[0]) }
  }
  return tokens
}

private func ids(_ value: JSONValue?, _ name: String, _ files: ModelFiles) throws -> [Int32] {
  guard let value, value != .null else { return [] }
  return try (value.arrayValue ?? [value]).map { entry in
    guard let id = entry.intValue.flatMap({ Int32(exactly: $0) }), id >= 0 else {
      throw ToolError("\(files.path)/\(name): eos_token_id is neither a number nor a list of them")
    }
    return id
  }
}
