import Glibc
import CUTF8Proc

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
      var result = [UInt8]()
      result.reserveCapacity(text.count + text.count / 2)
      if case .literal(let literal) = pattern, literal.count == 1 {
        for byte in bytes {
          if byte == literal[0] { result += content } else { result.append(byte) }
        }
        return result
      }
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

/// A Unicode normalisation form, made by utf8proc.
enum UnicodeForm: String, Sendable {
  case composed = "NFC"
  case decomposed = "NFD"
  case compatibilityComposed = "NFKC"
  case compatibilityDecomposed = "NFKD"

  private var options: utf8proc_option_t {
    let flags =
      switch self {
      case .composed: UTF8PROC_COMPOSE.rawValue
      case .decomposed: UTF8PROC_DECOMPOSE.rawValue
      case .compatibilityComposed: UTF8PROC_COMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
      case .compatibilityDecomposed: UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
      }
    return utf8proc_option_t(UTF8PROC_STABLE.rawValue | flags)
  }

  /// The text in this form. It must be UTF-8.
  func normalize(_ text: [UInt8]) -> [UInt8] {
    if !text.contains(where: { $0 >= leastChangingByte }) { return text }
    var form: UnsafeMutablePointer<UInt8>?
    let count = text.withUnsafeBufferPointer {
      utf8proc_map($0.baseAddress, $0.count, &form, options)
    }
    defer { free(form) }
    // It refuses nothing that is UTF-8 but for want of memory; the text is then left as it is.
    guard count >= 0, let form else { return text }
    return Array(UnsafeBufferPointer(start: form, count: count))
  }

  /// The least first byte of a scalar that the form may change: below U+0300 all are composed.
  private var leastChangingByte: UInt8 { self == .composed ? 0xcc : 0x80 }
}
