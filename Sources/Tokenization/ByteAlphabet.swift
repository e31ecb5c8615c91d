/// GPT-2's spelling of bytes as characters: printable Latin-1 stands for itself, the other 68
/// bytes, in order, for U+0100 and the scalars behind it.
struct ByteAlphabet {
  let characters: [Unicode.Scalar]  // by byte
  private let byteOfScalar: [UInt8?]  // by scalar, below 0x144

  init() {
    var characters = [Unicode.Scalar]()
    var others: UInt32 = 0
    for byte in UInt8.min...UInt8.max {
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff:
        characters.append(Unicode.Scalar(byte))
      default:
        characters.append(Unicode.Scalar(0x100 + others)!)
        others += 1
      }
    }
    var bytes = [UInt8?](repeating: nil, count: 0x100 + Int(others))
    for (byte, scalar) in characters.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    self.characters = characters
    byteOfScalar = bytes
  }

  /// Appends the bytes that a token's spelling means; a token with a character from outside the
  /// alphabet is taken literally.
  func append(_ token: String, to bytes: inout [UInt8]) {
    let start = bytes.count
    for scalar in token.unicodeScalars {
      guard Int(scalar.value) < byteOfScalar.count,
        let byte = byteOfScalar[Int(scalar.value)]
      else {
        bytes.removeSubrange(start...)
        bytes += Array(token.utf8)
        return
      }
      bytes.append(byte)
    }
  }
}
