/// Unicode normalisation form D, without Foundation: the same result on every platform.
final class CanonicalDecomposition: Sendable {
  static let shared = CanonicalDecomposition()

  private let decompositions: [UInt32: [UInt32]]

  private init() {
    var decompositions = [UInt32: [UInt32]](minimumCapacity: 2100)
    for row in canonicalDecompositionData.utf8.split(whereSeparator: { $0 <= 0x20 }) {
      let sides = row.split(separator: UInt8(ascii: "="))
      decompositions[Self.number(sides[0])] =
        sides[1].split(separator: UInt8(ascii: "+")).map(Self.number)
    }
    self.decompositions = decompositions
  }

  private static func number(_ digits: Substring.UTF8View) -> UInt32 {
    digits.reduce(0) { $0 << 4 | UInt32($1 < 0x40 ? $1 - 0x30 : $1 - 0x37) }
  }

  /// Appends the full decomposition of one scalar; `reorder` makes form D of what was appended.
  func append(_ scalar: UInt32, to scalars: inout [UInt32]) {
    if (0xac00...0xd7a3).contains(scalar) {
      // Hangul syllables by arithmetic: section 3.12 of the Unicode standard.
      let index = scalar - 0xac00
      scalars.append(0x1100 + index / 588)
      scalars.append(0x1161 + index % 588 / 28)
      if index % 28 != 0 { scalars.append(0x11a7 + index % 28) }
    } else if scalar >= 0xc0, let decomposition = decompositions[scalar] {
      scalars += decomposition
    } else {
      scalars.append(scalar)
    }
  }

  /// Puts each run of combining marks into canonical order: by combining class, stably.
  func reorder(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      guard Self.combiningClass(scalars[start]) > 0 else {
        start += 1
        continue
      }
      var marks = [(order: UInt8, offset: Int, scalar: UInt32)]()
      while start + marks.count < scalars.count {
        let scalar = scalars[start + marks.count]
        let order = Self.combiningClass(scalar)
        if order == 0 { break }
        marks.append((order, marks.count, scalar))
      }
      if marks.count > 1 {
        marks.sort { ($0.order, $0.offset) < ($1.order, $1.offset) }
        for (offset, mark) in marks.enumerated() { scalars[start + offset] = mark.scalar }
      }
      start += marks.count
    }
  }

  private static func combiningClass(_ scalar: UInt32) -> UInt8 {
    guard scalar >= 0x300, let scalar = Unicode.Scalar(scalar) else { return 0 }
    return scalar.properties.canonicalCombiningClass.rawValue
  }
}
