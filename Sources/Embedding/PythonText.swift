/// What sentence-transformers does to a text before it tokenizes.
enum PythonText {
  /// `str.strip()`: without the white space at both ends that Python's `str.isspace` knows, which
  /// is Unicode's and the four separators U+001C…U+001F.
  static func stripped(_ text: String) -> Substring {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return Substring(scalars[first...last])
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0d, 0x1c...0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f,
      0x205f, 0x3000:
      true
    default: false
    }
  }
}
