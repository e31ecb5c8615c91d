// Random choice that depends on nothing but its keys. Every chunk gets a number from (seed, block,
// chunk) and the smallest k win, so a choice does not depend on what was drawn before, on where a
// chunk lies in memory or on how many there are, and a set of k is as likely as any other.

/// One step of SplitMix64 (Steele, Lea and Flood 2014): a bijection whose output bits all depend
/// on all input bits.
func splitMix(_ input: UInt64) -> UInt64 {
  var z = input &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

/// The positions in `rows` of min(k, n) rows drawn without replacement, ascending.
func randomPositions(_ rows: [Int], k: Int, seed: UInt64, block: Int) -> [Int] {
  guard rows.count > k else { return Array(rows.indices) }
  let key = splitMix(splitMix(seed) ^ UInt64(bitPattern: Int64(block)))
  let draws = rows.map { splitMix(key ^ UInt64(bitPattern: Int64($0))) }
  // A heap would save the sort, but the inner products it replaces cost far more.
  let order = rows.indices.sorted { draws[$0] != draws[$1] ? draws[$0] < draws[$1] : $0 < $1 }
  return order.prefix(k).sorted()
}
