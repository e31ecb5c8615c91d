/// FNV-1a with 128 bits: names a vocabulary. It guards against mistakes, not against forgery.
///
/// Strings go in with their length before them and a list with its count, so that no two
/// different vocabularies give the same bytes.
struct Fingerprint {
  private var state: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
  private static let prime: UInt128 = (1 << 88) + (1 << 8) + 0x3b

  mutating func combine(byte: UInt8) {
    state = (state ^ UInt128(byte)) &* Self.prime
  }

  mutating func combine(_ number: Int) {
    for shift in stride(from: 0, to: 64, by: 8) {
      combine(byte: UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  mutating func combine(_ string: String) {
    combine(string.utf8.count)
    for byte in string.utf8 { combine(byte: byte) }
  }

  mutating func combine(_ strings: [String]) {
    combine(strings.count)
    for string in strings { combine(string) }
  }

  /// 32 hexadecimal digits.
  var hexadecimal: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 32 - digits.count) + digits
  }
}
