/// Bytes of generated tokens, handed on as soon as they are whole characters.
public struct GeneratedText: Sendable {
  private var pending: [UInt8] = []

  public init() {}

  /// The whole characters that `bytes` complete. A character that no more bytes can complete is not
  /// held back: the reader sees it as it is.
  public mutating func append(_ bytes: [UInt8]) -> [UInt8] {
    pending += bytes
    let complete = pending.count - Self.openBytes(pending)
    defer { pending.removeFirst(complete) }
    return Array(pending[..<complete])
  }

  /// What is left at the end.
  public mutating func finish() -> [UInt8] {
    defer { pending = [] }
    return pending
  }

  /// How many of the last bytes begin a character that is not complete.
  private static func openBytes(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      if byte & 0xC0 != 0x80 { return length > back ? back : 0 }
    }
    return 0
  }
}
