/// The normalizer of a tokenizer.json: what happens to text before it is cut into pieces.
struct TextNormalizer: Sendable {
  enum Step: Sendable {
    case form(UnicodeForm)
    /// Scalar by scalar, without context.
    case lowercase
    /// Before a text that is not empty.
    case prepend([UInt8])
    case replace(TextPattern, [UInt8])
  }

  let steps: [Step]

  /// The text after all steps. It must be UTF-8.
  func normalize(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    steps.reduce(Array(text)) { text, step in
      switch step {
      case .form(let form): form.normalize(text)
      case .lowercase: Self.lowercase(text)
      case .prepend(let prefix): text.isEmpty ? text : prefix + text
      case .replace(let pattern, let content): Self.replace(pattern, content, in: text)
      }
    }
  }

  private static func replace(
    _ pattern: TextPattern, _ content: [UInt8], in text: [UInt8]
  ) -> [UInt8] {
    text.withUnsafeBufferPointer { bytes in
      if case .literal(let literal) = pattern, literal.count == 1 {
        return bytes.replacing(literal[0], with: content)
      }
      var result = [UInt8]()
      result.reserveCapacity(text.count + text.count / 2)
      var last = 0
      pattern.matches(in: bytes) { match in
        result += bytes[last..<match.lowerBound]
        result += content
        last = match.upperBound
      }
      result += bytes[last...]
      return result
    }
  }

  private static func lowercase(_ text: [UInt8]) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(text.count)
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if scalar.value < 0x80 {
        let isUpper = (0x41...0x5a).contains(scalar.value)
        result.append(UInt8(scalar.value) | (isUpper ? 0x20 : 0))
      } else {
        result += Array(scalar.properties.lowercaseMapping.utf8)
      }
    }
    return result
  }
}
