/// Finds special tokens in text: the leftmost, of those that start there the longest.
struct SpecialTokenMatcher: Sendable {
  private let startingWith: [[(bytes: [UInt8], id: Int32)]]  // by first byte, longest first

  init(_ tokens: [(text: String, id: Int32)]) {
    var lists = [[(bytes: [UInt8], id: Int32)]](repeating: [], count: 256)
    for (text, id) in tokens where !text.isEmpty {
      let bytes = Array(text.utf8)
      lists[Int(bytes[0])].append((bytes, id))
    }
    startingWith = lists.map { list in
      list.sorted { ($1.bytes.count, $0.id) < ($0.bytes.count, $1.id) }
    }
  }

  /// True where cutting text between a letter and white space could cut a special token.
  var mayHoldWhiteSpace: Bool {
    startingWith.joined().contains { $0.bytes.contains { $0 <= 0x20 } }
  }

  /// Calls `text` for the stretches between special tokens (never empty) and `special` for each
  /// of these, in order.
  func split(
    _ bytes: UnsafeBufferPointer<UInt8>,
    text: (UnsafeBufferPointer<UInt8>) -> Void, special: (Int32) -> Void
  ) {
    var start = 0
    var position = 0
    while position < bytes.count {
      guard let token = match(bytes, at: position) else {
        position += 1
        continue
      }
      if position > start {
        text(UnsafeBufferPointer(rebasing: bytes[start..<position]))
      }
      special(token.id)
      position += token.bytes.count
      start = position
    }
    if start < bytes.count { text(UnsafeBufferPointer(rebasing: bytes[start...])) }
  }

  @inline(__always)
  private func match(
    _ bytes: UnsafeBufferPointer<UInt8>, at position: Int
  ) -> (bytes: [UInt8], id: Int32)? {
    let candidates = startingWith[Int(bytes[position])]
    if candidates.isEmpty { return nil }
    return candidates.first { candidate in
      candidate.bytes.count <= bytes.count - position
        && candidate.bytes.elementsEqual(bytes[position..<position + candidate.bytes.count])
    }
  }
}
