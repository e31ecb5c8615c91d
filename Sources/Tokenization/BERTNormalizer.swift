/// BERT's text normaliser: drops control characters, makes white space U+0020, sets CJK
/// ideographs apart, strips accents and lowers the case, as Hugging Face's `BertNormalizer`.
struct BERTNormalizer: Sendable {
  let lowercase: Bool
  let stripAccents: Bool
  let separatesIdeographs: Bool

  private let classes = ScalarClasses.shared

  /// The scalars of the normalised text. The text must be UTF-8.
  func normalize(_ text: UnsafeBufferPointer<UInt8>) -> [UInt32] {
    var result = [UInt32]()
    guard let base = text.baseAddress else { return result }
    result.reserveCapacity(text.count)
    var needsMore = false  // something other than ASCII was kept
    var position = 0
    while position < text.count {
      let (scalar, length) = UTF8Text.scalar(base, at: position)
      position += length
      let flags = scalar < 0x80 ? classes.ascii[Int(scalar)] : classes.flags(scalar)
      let isControl = flags & ScalarClasses.control != 0
      if isControl && scalar != 0x09 && scalar != 0x0a && scalar != 0x0d || scalar == 0xfffd {
        continue
      }
      if flags & ScalarClasses.space != 0 {
        result.append(0x20)
      } else if scalar < 0x80 {
        let isUpper = lowercase && (0x41...0x5a).contains(scalar)
        result.append(isUpper ? scalar | 0x20 : scalar)
      } else {
        needsMore = true
        let isIdeograph = separatesIdeographs && Self.isIdeograph(scalar)
        if isIdeograph { result.append(0x20) }
        result.append(scalar)
        if isIdeograph { result.append(0x20) }
      }
    }
    if needsMore && stripAccents { strip(&result) }
    if needsMore && lowercase { lower(&result) }
    return result
  }

  private func strip(_ scalars: inout [UInt32]) {
    var text = [UInt8]()
    text.reserveCapacity(2 * scalars.count)
    for scalar in scalars { UTF8Text.append(scalar, to: &text) }
    scalars.removeAll(keepingCapacity: true)
    UnicodeForm.decomposed.normalize(text).withUnsafeBufferPointer { bytes in
      var position = 0
      while position < bytes.count {
        let (scalar, length) = UTF8Text.scalar(bytes.baseAddress!, at: position)
        if classes.flags(scalar) & ScalarClasses.nonspacingMark == 0 { scalars.append(scalar) }
        position += length
      }
    }
  }

  /// Scalar by scalar, without context: no final sigma, as Rust's `char::to_lowercase`.
  private func lower(_ scalars: inout [UInt32]) {
    var lowered = [UInt32]()
    lowered.reserveCapacity(scalars.count)
    for scalar in scalars {
      if scalar < 0x80 {
        lowered.append((0x41...0x5a).contains(scalar) ? scalar | 0x20 : scalar)
      } else if let scalar = Unicode.Scalar(scalar) {
        lowered += scalar.properties.lowercaseMapping.unicodeScalars.map(\.value)
      }
    }
    scalars = lowered
  }

  /// The blocks that BERT calls Chinese: CJK unified and compatibility ideographs.
  private static func isIdeograph(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x4e00...0x9fff, 0x3400...0x4dbf, 0x20000...0x2a6df, 0x2a700...0x2b73f,
      0x2b740...0x2b81f, 0x2b920...0x2ceaf, 0xf900...0xfaff, 0x2f800...0x2fa1f:
      true
    default:
      false
    }
  }
}
