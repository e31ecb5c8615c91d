import ShardIO

/// An F16 tensor as Float.
func halvesToFloats(_ tensor: ShardTensor) -> [Float] {
  let halves = tensor.copy(as: Float16.self)
  return [Float](unsafeUninitializedCapacity: halves.count) { target, count in
    halves.withUnsafeBufferPointer { source in
      for index in 0..<source.count { target[index] = Float(source[index]) }
    }
    count = halves.count
  }
}

/// Whether no value is infinite or not a number: the exponent bits are then nowhere all set.
func areFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
  var bad = false
  for value in values {
    bad = bad || value.bitPattern & 0x7f80_0000 == 0x7f80_0000
  }
  return !bad
}
