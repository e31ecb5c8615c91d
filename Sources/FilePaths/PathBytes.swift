/// A path is bytes, and Swift's strings are Unicode. A byte that is not part of UTF-8 is spelt in a string
/// as a scalar of its own, U+10FF00 + byte, and becomes that byte again where the system is asked. (So is each
/// byte of such a scalar that a path has indeed.)
extension String {
  private static let escapes: ClosedRange<UInt32> = 0x10ff80...0x10ffff

  /// The string that stands for a path of these bytes.
  public init(pathBytes bytes: some Collection<UInt8>) {
    var text = UnicodeScalarView()
    var decoder = UTF8()
    var rest = bytes[...]
    while let first = rest.first {
      var iterator = rest.makeIterator()
      if case .scalarValue(let scalar) = decoder.decode(&iterator),
        !Self.escapes.contains(scalar.value)
      {
        text.append(scalar)
        rest = rest.dropFirst(UTF8.width(scalar))
      } else {
        text.append(Self.escape(first))
        rest = rest.dropFirst()
      }
      decoder = UTF8()
    }
    self.init(text)
  }

  private static func escape(_ byte: UInt8) -> Unicode.Scalar {
    // A byte of UTF-8 beyond ASCII has its high bit set, and so has one that is no part of it.
    Unicode.Scalar(0x10ff00 + UInt32(byte)) ?? "\u{fffd}"
  }

  /// The bytes of the path that this string stands for.
  public var pathBytes: [UInt8] {
    guard unicodeScalars.contains(where: { Self.escapes.contains($0.value) }) else {
      return Array(utf8)
    }
    return unicodeScalars.flatMap { scalar in
      Self.escapes.contains(scalar.value)
        ? [UInt8(scalar.value & 0xff)] : Array(String(scalar).utf8)
    }
  }

  /// Gives `body` the bytes with a zero behind them, as the system wants them.
  public func withPath<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (pathBytes + [0]).withUnsafeBytes { bytes in
      try bytes.withMemoryRebound(to: CChar.self) { try body($0.baseAddress!) }
    }
  }
}
