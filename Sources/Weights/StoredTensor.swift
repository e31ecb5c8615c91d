/// A tensor as it lies in its file: shape, storage type, and a view of the mapped bytes. Nothing is
/// copied until `expand`. Values are immutable, so any number of threads may expand at once.
public struct StoredTensor: @unchecked Sendable {
  /// The Hugging Face name.
  public let name: String
  /// Row-major, as in Hugging Face: a projection is [out, in], a norm [hidden].
  public let shape: [Int]
  public let storage: StorageType
  /// The product of all dimensions but the last; 1 for a vector.
  public let rows: Int
  /// The last dimension; 1 for a scalar.
  public let columns: Int

  let order: RowOrder
  private let base: UnsafeRawPointer
  private let owner: AnyObject

  public var count: Int { rows * columns }
  /// Bytes the tensor takes in its file.
  public var byteCount: Int { count / storage.blockSize * storage.bytesPerBlock }

  /// The caller has checked that `bytes` are exactly what shape, storage and order need.
  init(
    name: String, shape: [Int], storage: StorageType, order: RowOrder = .sequential,
    bytes: UnsafeRawBufferPointer, owner: AnyObject
  ) {
    self.name = name
    self.shape = shape
    self.storage = storage
    self.order = order
    self.rows = shape.dropLast().reduce(1, *)
    self.columns = shape.last ?? 1
    self.owner = owner
    // An empty tensor has no bytes to point at; any address does, nothing is read from it.
    self.base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!
    precondition(count % storage.blockSize == 0)
    if case .strided = order {
      precondition(storage.blockSize == 1)
    } else {
      precondition(byteCount == bytes.count)
    }
  }

  /// A tensor of our own making (a merged weight, a test's), held in memory as float32.
  public init(name: String, shape: [Int], values: [Float]) {
    let copy = OwnedBytes(values)
    self.init(name: name, shape: shape, storage: .f32, bytes: copy.bytes, owner: copy)
  }

  /// Writes rows `rows` as float32 at `out`, row-major, `rows.count * columns` values.
  public func expand(rows range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside \(name)")
    withExtendedLifetime(owner) { expandRows(range, out) }
  }

  /// Where rows `rows` lie in the file, row-major, if it holds them as bf16; for a caller that keeps
  /// the tensor while it reads.
  public func bf16(rows range: Range<Int>) -> UnsafePointer<UInt16>? {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside \(name)")
    // A safetensors header may have any length, and put its numbers at odd addresses.
    let isEven = UInt(bitPattern: base) % 2 == 0
    guard storage == .bf16, order == .sequential, isEven else { return nil }
    return (base + 2 * range.lowerBound * columns).assumingMemoryBound(to: UInt16.self)
  }

  private func expandRows(_ range: Range<Int>, _ out: UnsafeMutablePointer<Float>) {
    switch order {
    case .sequential:
      expandRun(from: range.lowerBound * columns, range.count * columns, out)
    case .interleaved(let headDimension) where shape.count == 1:
      for i in range.isEmpty ? 0..<0 : 0..<columns {
        expandRun(from: RowOrder.stored(i, headDimension), 1, out + i)
      }
    case .interleaved(let headDimension):
      for row in range {
        let stored = RowOrder.stored(row, headDimension)
        expandRun(from: stored * columns, columns, out + (row - range.lowerBound) * columns)
      }
    case .strided(let strides):
      for row in range {
        expandStrided(row, strides, out + (row - range.lowerBound) * columns)
      }
    }
  }

  /// One row of a view: its indices by the leading dimensions lead to its first element.
  private func expandStrided(_ row: Int, _ strides: [Int], _ out: UnsafeMutablePointer<Float>) {
    var (rest, first) = (row, 0)
    for dimension in (0..<shape.count - 1).reversed() {
      first += rest % shape[dimension] * strides[dimension]
      rest /= shape[dimension]
    }
    let step = strides[shape.count - 1]
    if step == 1 { return expandRun(from: first, columns, out) }
    for column in 0..<columns { expandRun(from: first + column * step, 1, out + column) }
  }

  /// The whole tensor as float32, row-major.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
      if let out = buffer.baseAddress, count > 0 { expand(rows: 0..<rows, into: out) }
      initialised = count
    }
  }

  private func expandRun(from element: Int, _ count: Int, _ out: UnsafeMutablePointer<Float>) {
    let offset = element / storage.blockSize * storage.bytesPerBlock
    expandElements(storage, base + offset, count, out)
  }
}

/// In which order a tensor's rows lie in the file.
enum RowOrder: Equatable, Sendable {
  case sequential
  /// llama.cpp stores the query and key rows for rotary pairs (2r, 2r+1); Hugging Face rotates pairs
  /// (r, r + headDimension/2). Within each head, HF row r is stored as row 2r and r + headDimension/2
  /// as 2r+1.
  case interleaved(headDimension: Int)
  /// A view: element (i, j, …) is the stored one at i·strides[0] + j·strides[1] + ….
  case strided([Int])

  @inline(__always)
  static func stored(_ row: Int, _ headDimension: Int) -> Int {
    let r = row % headDimension
    let half = headDimension / 2
    return row - r + (r < half ? 2 * r : 2 * (r - half) + 1)
  }
}

/// Heap bytes with the lifetime of an object, for tensors that have no file.
private final class OwnedBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer

  init(_ values: [Float]) {
    bytes = values.withUnsafeBytes { source in
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
      copy.copyMemory(from: source)
      return UnsafeRawBufferPointer(copy)
    }
  }

  deinit { bytes.deallocate() }
}

/// How many elements a shape has, or nil when a dimension is negative or the product overflows.
func elementCount(_ shape: [Int]) -> Int? {
  var count = 1
  for dimension in shape {
    guard dimension >= 0 else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
    guard !overflow else { return nil }
    count = product
  }
  return count
}

/// Bytes `shape` takes as blocks of `blockSize` columns, or nil when rows do not divide into blocks
/// or the size overflows.
func storedByteCount(_ shape: [Int], blockSize: Int, bytesPerBlock: Int) -> Int? {
  guard let count = elementCount(shape), (shape.last ?? 1) % blockSize == 0 else { return nil }
  let (bytes, overflow) = (count / blockSize).multipliedReportingOverflow(by: bytesPerBlock)
  return overflow ? nil : bytes
}
