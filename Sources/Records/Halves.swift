import ShardIO

/// An F16 tensor as Float.
func halvesToFloats(_ tensor: ShardTensor) -> [Float] {
  [Float](unsafeUninitializedCapacity: tensor.elementCount) { target, count in
    tensor.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress, UInt(bitPattern: start).isMultiple(of: 2) {
        expand(
          UnsafeBufferPointer(
            start: start.assumingMemoryBound(to: Float16.self), count: target.count), target)
      } else {
        // a foreign writer's odd place in the block
        tensor.copy(as: Float16.self).withUnsafeBufferPointer { expand($0, target) }
      }
    }
    count = target.count
  }
}

private func expand(
  _ source: UnsafeBufferPointer<Float16>, _ target: UnsafeMutableBufferPointer<Float>
) {
  for index in 0..<source.count { target[index] = Float(source[index]) }
}

/// Whether no value is infinite or not a number: the exponent bits are then nowhere all set.
func areFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
  var bad = false
  for value in values {
    bad = bad || value.bitPattern & 0x7f80_0000 == 0x7f80_0000
  }
  return !bad
}
