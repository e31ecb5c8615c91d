import CUTF8Proc

/// A Unicode normalisation form, of utf8proc's tables.
enum UnicodeForm: String, Sendable {
  case composed = "NFC"
  case decomposed = "NFD"
  case compatibilityComposed = "NFKC"
  case compatibilityDecomposed = "NFKD"

  private var isCompatible: Bool {
    self == .compatibilityComposed || self == .compatibilityDecomposed
  }
  private var composes: Bool { self == .composed || self == .compatibilityComposed }

  /// The text in this form. It must be UTF-8.
  func normalize(_ text: [UInt8]) -> [UInt8] {
    mayChange(text) ? mapped(text) : text
  }

  /// Decomposes, puts marks in order, composes: each in a time that grows with the text. `utf8proc_map`
  /// takes the square of a run of marks to order it.
  fileprivate func mapped(_ text: [UInt8]) -> [UInt8] {
    var scalars = decomposed(text)
    CombiningMarks.order(&scalars)
    if composes {
      let options = utf8proc_option_t(UTF8PROC_STABLE.rawValue | UTF8PROC_COMPOSE.rawValue)
      let count = scalars.withUnsafeMutableBufferPointer {
        utf8proc_normalize_utf32($0.baseAddress, $0.count, options)
      }
      scalars.removeLast(scalars.count - max(count, 0))
    }
    var result = [UInt8]()
    result.reserveCapacity(text.count + text.count / 2)
    for scalar in scalars { UTF8Text.append(UInt32(bitPattern: scalar), to: &result) }
    return result
  }

  /// The scalars, each taken apart as far as it goes.
  private func decomposed(_ text: [UInt8]) -> [Int32] {
    let flags = UTF8PROC_DECOMPOSE.rawValue | (isCompatible ? UTF8PROC_COMPAT.rawValue : 0)
    let options = utf8proc_option_t(flags)
    var scalars = [Int32]()
    scalars.reserveCapacity(text.count)
    // The longest decomposition, of U+FDFA, has 18 scalars.
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: 32) { parts in
      text.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress else { return }
        var position = 0
        while position < bytes.count {
          let (scalar, length) = UTF8Text.scalar(base, at: position)
          position += length
          if scalar < 0x80 {
            scalars.append(Int32(scalar))
            continue
          }
          let count = utf8proc_decompose_char(
            Int32(scalar), parts.baseAddress, parts.count, options, nil)
          scalars.append(contentsOf: parts.prefix(max(count, 0)))
        }
      }
    }
    return scalars
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

/// The canonical order of combining marks: by their class, those of one class as they stood.
private enum CombiningMarks {
  static func order(_ scalars: inout [Int32]) {
    var position = 0
    while position < scalars.count {
      guard scalars[position] >= 0x300, combiningClass(scalars[position]) != 0 else {
        position += 1
        continue
      }
      let start = position
      var classes: [Int] = []
      while position < scalars.count {
        let own = combiningClass(scalars[position])
        if own == 0 { break }
        classes.append(own)
        position += 1
      }
      if zip(classes, classes.dropFirst()).allSatisfy({ $0 <= $1 }) { continue }
      let run = Array(scalars[start..<position])
      // The place in the run decides between equal classes.
      let order = classes.indices.sorted { (classes[$0], $0) < (classes[$1], $1) }
      for (place, index) in order.enumerated() { scalars[start + place] = run[index] }
    }
  }

  private static func combiningClass(_ scalar: Int32) -> Int {
    Int(utf8proc_get_property(scalar).pointee.combining_class)
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
