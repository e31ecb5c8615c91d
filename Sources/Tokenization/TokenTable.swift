/// What each token decodes to.
struct TokenTable: Sendable {
  private var bytes: [UInt8] = []  // of all tokens, one after the other
  private var offsets = [0]
  private var isSpecial: [Bool] = []

  var count: Int { isSpecial.count }

  /// - Parameter isSpecial: left out on request.
  mutating func append(_ text: [UInt8], isSpecial special: Bool = false) {
    bytes += text
    offsets.append(bytes.count)
    isSpecial.append(special)
  }

  /// The bytes of the ids; ids outside the table give nothing.
  func decode(_ ids: some Sequence<Int32>, skippingSpecialTokens: Bool) -> [UInt8] {
    ids.withContiguousStorageIfAvailable {
      decode($0, skippingSpecialTokens: skippingSpecialTokens)
    }
      ?? Array(ids).withUnsafeBufferPointer {
        decode($0, skippingSpecialTokens: skippingSpecialTokens)
      }
  }

  private func decode(
    _ ids: UnsafeBufferPointer<Int32>, skippingSpecialTokens: Bool
  ) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(5 * ids.count)
    bytes.withUnsafeBufferPointer { bytes in
      for id in ids {
        guard id >= 0, Int(id) < isSpecial.count else { continue }
        if skippingSpecialTokens && isSpecial[Int(id)] { continue }
        let range = offsets[Int(id)]..<offsets[Int(id) + 1]
        result.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[range]))
      }
    }
    return result
  }
}
