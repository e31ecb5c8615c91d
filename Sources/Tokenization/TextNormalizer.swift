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
    mayChange(text) ? mapped(text) : text
  }

  fileprivate func mapped(_ text: [UInt8]) -> [UInt8] {
    var form: UnsafeMutablePointer<UInt8>?
    let count = text.withUnsafeBufferPointer {
      utf8proc_map($0.baseAddress, $0.count, &form, options)
    }
    defer { free(form) }
    // It refuses nothing that is UTF-8 but for want of memory; the text is then left as it is.
    guard count >= 0, let form else { return text }
    return Array(UnsafeBufferPointer(start: form, count: count))
  }

  private func mayChange(_ text: [UInt8]) -> Bool {
    if self != .composed { return text.contains { $0 >= 0x80 } }
    return text.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return false }
      var position = 0
      while position < bytes.count {
        // All below U+0300 are composed.
        if base[position] < 0xcc {
          position += 1
          continue
        }
        let (scalar, length) = UTF8Text.scalar(base, at: position)
        if ComposedScalars.shared.mayChange(scalar) { return true }
        position += length
      }
      return false
    }
  }
}

/// Which scalars NFC may change, or join to the one before.
private struct ComposedScalars {
  static let shared = ComposedScalars()

  private static let end: UInt32 = 0x30000  // no scalar above decomposes
  private var flags = [Bool](repeating: false, count: Int(end))

  private init() {
    // Jamo that join to a syllable.
    for scalar in 0x1161...0x1175 { flags[scalar] = true }
    for scalar in 0x11a8...0x11c2 { flags[scalar] = true }
    for value in 0xc0..<Self.end {
      guard let scalar = Unicode.Scalar(value) else { continue }
      if scalar.properties.canonicalCombiningClass != .notReordered { flags[Int(value)] = true }
      if (0xac00...0xd7a3).contains(value) { continue }
      let text = Array(String(scalar).utf8)
      let parts = UnicodeForm.decomposed.mapped(text)
      if parts == text { continue }
      let scalars = String(decoding: parts, as: UTF8.self).unicodeScalars
      for part in scalars.dropFirst() { flags[Int(part.value)] = true }
      if UnicodeForm.composed.mapped(text) != text { flags[Int(value)] = true }
    }
  }

  @inline(__always)
  func mayChange(_ scalar: UInt32) -> Bool { scalar < Self.end && flags[Int(scalar)] }
}
