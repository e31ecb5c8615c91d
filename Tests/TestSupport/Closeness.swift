import XCTest

/// The largest |a − b|; infinite where one is not a number.
public func maximumDifference(_ a: [Float], _ b: [Float]) -> Float {
  precondition(a.count == b.count)
  return zip(a, b).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
}

/// Fails unless |actual − expected| ≤ absolute + relative · |expected| everywhere; says where the
/// worst element is.
public func assertClose(
  _ actual: [Float], _ expected: [Float], absolute: Float = 0, relative: Float = 0,
  _ what: String = "", file: StaticString = #filePath, line: UInt = #line
) {
  guard actual.count == expected.count else {
    XCTFail("\(what): \(actual.count) values, not \(expected.count)", file: file, line: line)
    return
  }
  var worst = -Float.infinity
  var place: Int?
  for index in actual.indices {
    var excess =
      abs(actual[index] - expected[index]) - (absolute + relative * abs(expected[index]))
    if excess.isNaN { excess = .infinity }
    if actual[index] == expected[index] { excess = 0 }
    if excess > max(worst, 0) { (worst, place) = (excess, index) }
  }
  if let place {
    XCTFail(
      "\(what): element \(place) of \(actual.count) is \(actual[place]), not \(expected[place])",
      file: file, line: line)
  }
}

/// The same for one value.
public func assertClose(
  _ actual: Double, _ expected: Double, absolute: Double = 0, relative: Double = 0,
  _ what: String = "", file: StaticString = #filePath, line: UInt = #line
) {
  let limit = absolute + relative * abs(expected)
  // written so that a value that is not a number fails
  if !(abs(actual - expected) <= limit) {
    XCTFail("\(what): \(actual), not \(expected)", file: file, line: line)
  }
}

/// The cosine of the angle between two vectors.
public func cosine(_ a: [Float], _ b: [Float]) -> Double {
  precondition(a.count == b.count)
  var (product, normA, normB) = (0.0, 0.0, 0.0)
  for (x, y) in zip(a, b) {
    product += Double(x) * Double(y)
    normA += Double(x) * Double(x)
    normB += Double(y) * Double(y)
  }
  return product / (normA * normB).squareRoot()
}
