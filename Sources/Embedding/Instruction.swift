/// What stands before every text, so that the retriever knows the task it embeds for.
///
/// A model that was trained with instructions has its keys and its queries in one space only under
/// the same pair.
public struct Instruction: Equatable, Sendable {
  /// As `--instruction` spells it.
  public let name: String
  /// With the space that parts it from the text; may be empty.
  public let query, key: String

  public static let none = Instruction(name: "none", query: "", key: "")

  /// The default of llm-embedder: long-range language modelling.
  public static let longRange = all.first { $0.name == "lrlm" }!

  /// Those of `BAAI/llm-embedder` (FlagEmbedding, research/llm_embedder), and of
  /// `BAAI/bge-{small,base,large}-en`, which has one for queries alone.
  public static let all = [
    Instruction(
      name: "qa", query: "Represent this query for retrieving relevant documents: ",
      key: "Represent this document for retrieval: "),
    Instruction(
      name: "convsearch", query: "Encode this query and context for searching relevant passages: ",
      key: "Encode this passage for retrieval: "),
    Instruction(
      name: "chat", query: "Embed this dialogue to find useful historical dialogues: ",
      key: "Embed this historical dialogue for retrieval: "),
    Instruction(
      name: "lrlm", query: "Embed this text chunk for finding useful historical chunks: ",
      key: "Embed this historical text chunk for retrieval: "),
    Instruction(
      name: "icl", query: "Convert this example into vector to look for useful examples: ",
      key: "Convert this example into vector for retrieval: "),
    Instruction(
      name: "tool", query: "Transform this user request for fetching helpful tool descriptions: ",
      key: "Transform this tool description for retrieval: "),
    Instruction(
      name: "bge", query: "Represent this sentence for searching relevant passages: ", key: ""),
    none,
  ]

  /// Before a text in this role.
  public func prefix(_ role: TextRole) -> String { role == .key ? key : query }
}

/// What a text is embedded as.
public enum TextRole: Hashable, Sendable, CaseIterable {
  case key, query
}
