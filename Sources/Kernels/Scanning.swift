import CKernels

/// The first index of `from`..<`count` at which `x` is above `limit`; `count` where there is none.
public func firstAbove(_ limit: Float, _ x: Floats, from: Int, count: Int) -> Int {
  ml_first_above(x, from, count, limit)
}

/// The first index at which `x` is infinite or not a number; nil where there is none.
public func firstNotFinite(_ x: Floats, count: Int) -> Int? {
  let index = ml_first_not_finite(x, count)
  return index < count ? index : nil
}
