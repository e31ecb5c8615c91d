import Safetensors

/// The spellings of the tokens that begin and end a text.
struct Boundaries {
  private(set) var begin: String?
  private(set) var end: String?

  /// What the post-processor puts around a text; where it puts nothing, what tokenizer_config.json
  /// names.
  init(_ postProcessor: JSONComponent?, _ configuration: JSONValue) throws {
    if let postProcessor { try read(postProcessor) }
    func named(_ key: String) -> String? {
      configuration[key]?.stringValue ?? configuration[key]?["content"]?.stringValue
    }
    begin = begin ?? named("bos_token")
    end = end ?? named("eos_token")
  }

  private mutating func read(_ processor: JSONComponent) throws {
    switch processor.type {
    case "ByteLevel": break
    case "Sequence": for member in try processor.members("processors") { try read(member) }
    case "BertProcessing", "RobertaProcessing":
      begin = processor["cls"]?.arrayValue?.first?.stringValue
      end = processor["sep"]?.arrayValue?.first?.stringValue
    case "TemplateProcessing":
      guard let pieces = processor["single"]?.arrayValue else {
        throw processor.refusal("has no single")
      }
      let names = pieces.map { $0["SpecialToken"]?["id"]?.stringValue }
      guard let text = names.firstIndex(of: nil) else { throw processor.refusal("has no text") }
      begin = names[..<text].compactMap { $0 }.first
      end = names[text...].compactMap { $0 }.last
    default: throw processor.refusal()
    }
  }
}
