/// XXH64 (seed 0) of a stream of bytes, as `xxhsum -H1` prints it: about 10 GB/s on one core, so a
/// model can be named by all of its bytes. It guards against mistakes, not against forgery.
///
/// Specification: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.
public func contentHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  let count = bytes.count
  var position = 0
  var hash: UInt64
  if count >= 32 {
    var a = prime1 &+ prime2
    var b = prime2
    var c: UInt64 = 0
    var d = 0 &- prime1
    while position &+ 32 <= count {
      a = round(a, word(bytes, position))
      b = round(b, word(bytes, position &+ 8))
      c = round(c, word(bytes, position &+ 16))
      d = round(d, word(bytes, position &+ 24))
      position &+= 32
    }
    hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
    for lane in [a, b, c, d] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
  } else {
    hash = prime5
  }
  hash &+= UInt64(count)
  return finish(hash, bytes, position)
}

private func finish(_ start: UInt64, _ bytes: UnsafeRawBufferPointer, _ from: Int) -> UInt64 {
  var hash = start
  var position = from
  while position + 8 <= bytes.count {
    hash = rotate(hash ^ round(0, word(bytes, position)), 27) &* prime1 &+ prime4
    position += 8
  }
  if position + 4 <= bytes.count {
    let half = UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
    hash = rotate(hash ^ (UInt64(half) &* prime1), 23) &* prime2 &+ prime3
    position += 4
  }
  while position < bytes.count {
    hash = rotate(hash ^ (UInt64(bytes[position]) &* prime5), 11) &* prime1
    position += 1
  }
  hash = (hash ^ (hash >> 33)) &* prime2
  hash = (hash ^ (hash >> 29)) &* prime3
  return hash ^ (hash >> 32)
}

private let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
private let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
private let prime3: UInt64 = 0x1656_67B1_9E37_79F9
private let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
private let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

@inline(__always)
private func rotate(_ x: UInt64, _ by: UInt64) -> UInt64 { (x &<< by) | (x &>> (64 &- by)) }

@inline(__always)
private func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
  rotate(lane &+ input &* prime2, 31) &* prime1
}

@inline(__always)
private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
  UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
}

/// Sixteen lower-case hexadecimal digits.
func hexadecimal(_ hash: UInt64) -> String {
  let digits = String(hash, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
