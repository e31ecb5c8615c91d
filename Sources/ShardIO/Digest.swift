import CXXHash

/// An XXH3-128 hash in canonical (big-endian) order; 32 hexadecimal digits as text.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  private let high: UInt64
  private let low: UInt64

  /// The 16 bytes in canonical order.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// 32 hexadecimal digits.
  public init?(hexadecimal text: String) {
    let digits = text.compactMap { $0.isASCII ? $0.hexDigitValue : nil }
    guard digits.count == 32, text.utf8.count == 32 else { return nil }
    self.init(bytes: stride(from: 0, to: 32, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
  }

  fileprivate init(_ hash: XXH128_hash_t) {
    high = hash.high64
    low = hash.low64
  }

  public var bytes: [UInt8] {
    [high, low].flatMap { word in
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
    }
  }

  public var description: String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  /// The hash of `bytes`.
  public static func of(_ bytes: UnsafeRawBufferPointer) -> Digest {
    Digest(XXH3_128bits(bytes.baseAddress, bytes.count))
  }

  /// What names a shard of several streams: the hash of their ENDs' hashes in order. One stream
  /// keeps its own.
  public static func combining(_ digests: [Digest]) -> Digest {
    if digests.count == 1 { return digests[0] }
    return digests.flatMap(\.bytes).withUnsafeBytes { Digest.of($0) }
  }
}

/// XXH3-128 of bytes that come in pieces.
public final class DigestState {
  private let state: OpaquePointer

  public init() {
    guard let state = XXH3_createState() else { fatalError("out of memory") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  public func update(_ bytes: UnsafeRawBufferPointer) {
    // a null pointer is undefined behaviour in the library even for no bytes
    if !bytes.isEmpty { XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }
  }

  public var digest: Digest { Digest(XXH3_128bits_digest(state)) }

  public func reset() { XXH3_128bits_reset(state) }
}
