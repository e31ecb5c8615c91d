/// Python's `random.Random(seed)` as far as `random.sample` needs it, number for number: MT19937
/// (Matsumoto and Nishimura 1998) seeded by `init_by_array`, and the sampling of CPython's
/// `Lib/random.py`. The published draws of demonstrations are made by it.
public struct PythonRandom: Sendable {
  private static let size = 624
  private static let shift = 397

  private var state: [UInt32]
  private var index = PythonRandom.size

  /// `random.seed(seed)`.
  public init(seed: UInt64) {
    // The key is the seed's 32-bit digits, low first, without leading zeros but at least one.
    let low = UInt32(truncatingIfNeeded: seed)
    let high = UInt32(truncatingIfNeeded: seed >> 32)
    state = Self.initialised(by: high == 0 ? [low] : [low, high])
  }

  /// `init_genrand(19650218)`, then `init_by_array(key)` of mt19937ar.c.
  private static func initialised(by key: [UInt32]) -> [UInt32] {
    var s = [UInt32](repeating: 19_650_218, count: size)
    for i in 1..<size { s[i] = 1_812_433_253 &* (s[i - 1] ^ s[i - 1] >> 30) &+ UInt32(i) }
    var (i, j) = (1, 0)
    func advance() {
      i += 1
      if i == size {
        s[0] = s[size - 1]
        i = 1
      }
    }
    for _ in 0..<max(size, key.count) {
      s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) &* 1_664_525) &+ key[j] &+ UInt32(j)
      advance()
      j = (j + 1) % key.count
    }
    for _ in 1..<size {
      s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) &* 1_566_083_941) &- UInt32(i)
      advance()
    }
    s[0] = 0x8000_0000
    return s
  }

  /// `genrand_uint32`.
  public mutating func next() -> UInt32 {
    if index == Self.size { twist() }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C_5680
    y ^= y << 15 & 0xEFC6_0000
    return y ^ y >> 18
  }

  private mutating func twist() {
    for i in 0..<Self.size {
      let y = state[i] & 0x8000_0000 | state[(i + 1) % Self.size] & 0x7FFF_FFFF
      let mask: UInt32 = y & 1 == 0 ? 0 : 0x9908_B0DF
      state[i] = state[(i + Self.shift) % Self.size] ^ y >> 1 ^ mask
    }
    index = 0
  }

  /// `_randbelow_with_getrandbits(count)`, for 1 ≤ count < 2³².
  public mutating func below(_ count: Int) -> Int {
    precondition(count >= 1 && count <= Int(UInt32.max))
    let bits = UInt32(Int.bitWidth - count.leadingZeroBitCount)
    while true {
      let draw = Int(next() >> (32 - bits))
      if draw < count { return draw }
    }
  }

  /// The positions that `random.sample(population, count)` takes, in its order.
  ///
  /// - Parameter population: how many there are to choose from, ≥ count.
  public mutating func sample(_ population: Int, _ count: Int) -> [Int] {
    precondition(count >= 0 && count <= population)
    // Small populations are drawn from a pool, large ones with a set, as CPython's memory estimate
    // of the two decides.
    var setSize = 21
    if count > 5 {
      var power = 1
      while power < 3 * count { power *= 4 }
      setSize += power
    }
    if population <= setSize {
      var pool = Array(0..<population)
      return (0..<count).map { i in
        let j = below(population - i)
        defer { pool[j] = pool[population - i - 1] }
        return pool[j]
      }
    }
    var selected = Set<Int>()
    return (0..<count).map { _ in
      while true {
        let draw = below(population)
        if selected.insert(draw).inserted { return draw }
      }
    }
  }
}
