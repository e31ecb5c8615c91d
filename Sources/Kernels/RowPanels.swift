/// A matrix [rows, columns] whose rows can be had as f32: a pointer where it is stored so,
/// expanded into scratch where it is stored narrow (bf16, Q8_0, …).
public protocol RowPanels: Sendable {
  var rows: Int { get }
  var columns: Int { get }
  /// Whether `panel` is free and needs no scratch.
  var isDense: Bool { get }
  /// The rows, row-major. `scratch` has room for them; a dense matrix may be given none.
  /// Valid as long as the scratch is. Called from several threads at once.
  func panel(_ rows: Range<Int>, scratch: MutableFloats?) -> Floats
  /// The rows' bf16 bits where they lie in memory so, row-major; valid as long as the matrix.
  func bf16(_ rows: Range<Int>) -> UnsafePointer<UInt16>?
}

extension RowPanels {
  public func bf16(_ rows: Range<Int>) -> UnsafePointer<UInt16>? { nil }
}

/// A row-major f32 matrix in memory that outlives this value.
public struct DensePanels: RowPanels, @unchecked Sendable {
  public let pointer: Floats
  public let rows, columns: Int
  public var isDense: Bool { true }

  public init(_ pointer: Floats, rows: Int, columns: Int) {
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
  }

  public func panel(_ rows: Range<Int>, scratch: MutableFloats?) -> Floats {
    pointer + rows.lowerBound * columns
  }
}
