import Glibc
import Safetensors
import ToolSupport
import Weights

/// How a family of models is asked: the form that its chat template gives to one question.
public enum ChatFormat: String, Sendable, CaseIterable {
  case chatML = "ChatML"
  case llama3 = "Llama 3"
  case gemma = "Gemma"
  case mistral = "Mistral"

  /// The family of a template in Jinja, by the tokens that it spells; nil: none of these. Templates are not
  /// run: they are programs.
  public init?(template: String) {
    let marks: [(String, ChatFormat)] = [
      ("<|im_start|>", .chatML), ("<|start_header_id|>", .llama3), ("<start_of_turn>", .gemma),
    ]
    if let found = marks.first(where: { template.contains($0.0) }) {
      self = found.1
    } else if template.contains("[INST]"), !template.contains("<<SYS>>") {
      // Llama 2's has [INST] too
      self = .mistral
    } else {
      return nil
    }
  }

  /// - Throws: `ToolError` where the model's files do not parse.
  public init?(of files: ModelFiles) throws {
    guard let template = try Self.template(of: files) else { return nil }
    self.init(template: template)
  }

  public static func refusal(_ files: ModelFiles) -> ToolError {
    ToolError(
      "--chat: the template of \(files.name) is not one of "
        + allCases.map(\.rawValue).joined(separator: ", "))
  }

  /// A question as the user's turn, and the beginning of the model's.
  public func turn(_ question: String) -> String {
    switch self {
    case .chatML: "<|im_start|>user\n\(question)<|im_end|>\n<|im_start|>assistant\n"
    case .llama3:
      "<|start_header_id|>user<|end_header_id|>\n\n\(question)<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    case .gemma: "<start_of_turn>user\n\(question)<end_of_turn>\n<start_of_turn>model\n"
    case .mistral: "[INST] \(question) [/INST]"
    }
  }

  /// What ends the model's turn.
  public var endTokens: [String] {
    switch self {
    case .chatML: ["<|im_end|>"]
    case .llama3: ["<|eot_id|>"]
    case .gemma: ["<end_of_turn>"]
    case .mistral: ["</s>"]
    }
  }

  /// A GGUF's `tokenizer.chat_template`; a folder's chat_template.jinja, or the one that
  /// tokenizer_config.json names `default`.
  private static func template(of files: ModelFiles) throws -> String? {
    if let gguf = files.gguf { return gguf.metadata["tokenizer.chat_template"]?.stringValue }
    let path = files.path + "/chat_template.jinja"
    if access(path, F_OK) == 0 {
      return String(decoding: try readFile(path, limit: 16 << 20), as: UTF8.self)
    }
    let template = try optionalJSON("tokenizer_config.json", of: files)?["chat_template"]
    let named = template?.arrayValue?.first { $0["name"]?.stringValue == "default" }
    return template?.stringValue ?? named?["template"]?.stringValue
  }
}

/// A JSON file beside a folder's config.json; nil where there is none.
///
/// - Throws: `ToolError` where it does not parse.
func optionalJSON(_ name: String, of files: ModelFiles) throws -> JSONValue? {
  let path = files.path + "/" + name
  guard files.gguf == nil, access(path, F_OK) == 0 else { return nil }
  let bytes = try readFile(path, limit: 64 << 20)
  do {
    return try bytes.withUnsafeBytes { try JSONValue(parsing: $0) }
  } catch let error as JSONError {
    throw ToolError("\(path): \(error)")
  }
}
