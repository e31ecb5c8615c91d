import Safetensors

/// The local context that a system had, and what it cost.
public struct ContextLabel: Equatable, Sendable {
  public var rules: LocalContext
  /// Keys and values of the longest context, of all layers; 0 where the text is read again.
  public var cacheBytes: Int

  public init(rules: LocalContext, cacheBytes: Int) {
    self.rules = rules
    self.cacheBytes = cacheBytes
  }
}

extension LocalContext {
  /// "full context", "context 4096", "context 4096 + 4 sinks", "context 4096, read again".
  var name: String {
    guard let tokens else { return "full context" }
    let kept = sinks > 0 ? " + \(sinks) sink\(sinks == 1 ? "" : "s")" : ""
    return "context \(tokens)\(kept)" + (mode == .reread ? ", read again" : "")
  }
}

extension ContextLabel {
  /// `tokens` is null for the whole document.
  var json: JSONValue {
    .object([
      "tokens": rules.tokens.map { .integer(Int64($0)) } ?? .null,
      "mode": .string(rules.mode.rawValue), "sinks": .integer(Int64(rules.sinks)),
      "cache_bytes": .integer(Int64(cacheBytes)),
    ])
  }

  init(fields: FieldReader) throws {
    let tokens = try fields.optionalInteger("tokens", in: 1...Int(Int32.max))
    self.init(
      rules: LocalContext(
        tokens: tokens, mode: try fields.choice("mode"),
        sinks: try fields.integer("sinks", in: 0...Int(Int32.max))),
      cacheBytes: try fields.integer("cache_bytes", in: 0...(1 << 60)))
  }
}
