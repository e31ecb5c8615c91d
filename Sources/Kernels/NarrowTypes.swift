import CKernels

// bf16 and f16, given as their bits, from and to f32, on the calling thread.
// Rounding is to nearest, ties to even.

public func convertBF16ToFloat(_ out: MutableFloats, _ x: UnsafePointer<UInt16>, count: Int) {
  ml_bf16_to_f32(out, x, count)
}

public func convertFloatToBF16(_ out: UnsafeMutablePointer<UInt16>, _ x: Floats, count: Int) {
  ml_f32_to_bf16(out, x, count)
}

public func convertF16ToFloat(_ out: MutableFloats, _ x: UnsafePointer<UInt16>, count: Int) {
  ml_f16_to_f32(out, x, count)
}

public func convertFloatToF16(_ out: UnsafeMutablePointer<UInt16>, _ x: Floats, count: Int) {
  ml_f32_to_f16(out, x, count)
}
