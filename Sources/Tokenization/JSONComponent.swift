import Safetensors

/// A part of a tokenizer.json with a `type`: a normalizer, a pre-tokenizer, a model.
struct JSONComponent {
  /// `normalizer`, `pre_tokenizer`, …: where it stands in the file.
  let part: String
  let type: String
  private let fields: JSONValue

  /// nil for null and for nothing.
  init?(_ part: String, _ value: JSONValue?) throws {
    guard let value, value != .null else { return nil }
    guard let type = value["type"]?.stringValue else {
      throw TokenizerError("\(part) has no type")
    }
    self.part = part
    self.type = type
    fields = value
  }

  /// An error about this component.
  func refusal(_ reason: String = "is not supported") -> TokenizerError {
    TokenizerError("\(part) \"\(type)\" \(reason)")
  }

  /// The members of a `Sequence`.
  func members(_ key: String) throws -> [JSONComponent] {
    guard let list = fields[key]?.arrayValue else { throw refusal("has no \(key)") }
    return try list.compactMap { try JSONComponent(part, $0) }
  }

  subscript(key: String) -> JSONValue? { fields[key] == .null ? nil : fields[key] }

  func flag(_ key: String, or missing: Bool) throws -> Bool {
    guard let value = self[key] else { return missing }
    guard let flag = value.boolValue else { throw refusal("has a \(key) that is no boolean") }
    return flag
  }

  /// nil when it is null or missing.
  func text(_ key: String) throws -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.stringValue else { throw refusal("has a \(key) that is no string") }
    return text
  }

  func text(_ key: String, or missing: String) throws -> String { try text(key) ?? missing }

  /// A `pattern`: text to be found as it stands, or an expression.
  func pattern() throws -> JSONPattern {
    if let text = self["pattern"]?["String"]?.stringValue, !text.isEmpty {
      return .text(Array(text.utf8))
    }
    guard let expression = self["pattern"]?["Regex"]?.stringValue, !expression.isEmpty else {
      throw refusal("has no pattern")
    }
    return .expression(expression)
  }

  func compiled(_ pattern: JSONPattern) throws -> TextPattern {
    switch pattern {
    case .text(let text): return .literal(text)
    case .expression(let source):
      guard let expression = Expression(source) else {
        throw refusal("has a pattern that is no expression: \(source.prefix(80))")
      }
      return .expression(expression)
    }
  }
}

enum JSONPattern: Equatable {
  case text([UInt8])
  case expression(String)
}
