/// What the tokenizers ask about a Unicode scalar, as one byte of flags in a two-level table.
///
/// Built once, on first use, from the standard library's Unicode data (a few milliseconds), without the
/// scalars that are younger than the data of the published tokenizers: letters and numbers are those of
/// Unicode 14 (Oniguruma 6.9.8), what BERT's tokenizer asks for is of Unicode 8.
final class ScalarClasses: @unchecked Sendable {
  static let shared = ScalarClasses()

  /// General category L*.
  static let letter: UInt8 = 1
  /// General category N*.
  static let number: UInt8 = 2
  /// Property White_Space.
  static let space: UInt8 = 4
  /// General category Mn.
  static let nonspacingMark: UInt8 = 8
  /// General category P*.
  static let punctuation: UInt8 = 16
  /// General category C* without the unassigned: control, format, private use.
  static let control: UInt8 = 32
  /// What the byte-pair pre-tokenizer looks at.
  static let kind: UInt8 = letter | number | space

  /// Flags of the 128 ASCII scalars: a copy of the first half block, one look-up away.
  let ascii: UnsafeMutablePointer<UInt8>
  private let blockOf: UnsafeMutablePointer<UInt16>  // scalar >> 8 → block
  private let blocks: UnsafeMutablePointer<UInt8>  // 256 flags a block

  private init() {
    var flags = [UInt8]()
    var numberOfBlock = [[UInt8]: UInt16]()
    blockOf = .allocate(capacity: 0x1100)
    for high in 0..<0x1100 {
      let block = Self.block(high)
      let known = numberOfBlock[block]
      blockOf[high] = known ?? UInt16(flags.count / 256)
      if known == nil {
        numberOfBlock[block] = UInt16(flags.count / 256)
        flags += block
      }
    }
    blocks = .allocate(capacity: flags.count)
    blocks.initialize(from: flags, count: flags.count)
    ascii = .allocate(capacity: 128)
    ascii.initialize(from: flags, count: 128)  // scalars 0…255 are block 0
  }

  @inline(__always)
  func flags(_ scalar: UInt32) -> UInt8 {
    blocks[Int(blockOf[Int(scalar >> 8)]) << 8 | Int(scalar & 0xff)]
  }

  private static func block(_ high: Int) -> [UInt8] {
    // Planes 4 to 13 are unassigned, 15 and 16 private but for their last two scalars: no need
    // to ask for each scalar.
    if (0x400..<0xe00).contains(high) { return [UInt8](repeating: 0, count: 256) }
    if high >= 0xf00 && high & 0xff != 0xff { return [UInt8](repeating: control, count: 256) }
    return (0..<256).map { low in
      Unicode.Scalar(UInt32(high << 8 | low)).map(flags(of:)) ?? control
    }
  }

  private static func flags(of scalar: Unicode.Scalar) -> UInt8 {
    let properties = scalar.properties
    // asked only where there can be any: looking a property up is what the table costs
    var white: UInt8 { properties.isWhitespace ? space : 0 }
    var age: Int { properties.age?.major ?? 0 }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return age <= 14 ? letter : 0
    case .decimalNumber, .letterNumber, .otherNumber:
      return age <= 14 ? number : 0
    case .nonspacingMark:
      return age <= 8 ? nonspacingMark : 0
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return age <= 8 ? punctuation : 0
    case .control:
      return control | white
    case .format, .privateUse, .surrogate:
      return age <= 8 ? control : 0
    case .spaceSeparator, .lineSeparator, .paragraphSeparator:
      return white
    default:
      return 0
    }
  }
}
