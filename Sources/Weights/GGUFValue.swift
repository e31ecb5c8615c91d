/// A value of GGUF metadata. The widths of the file's number types are not kept: what a reader asks
/// is whether a key holds an integer, a number, a string.
public enum GGUFValue: Equatable, Sendable {
  case bool(Bool)
  case integer(Int64)
  /// Only for values above `Int64.max`.
  case unsigned(UInt64)
  case float(Double)
  case string(String)
  case bools([Bool])
  case integers([Int64])
  case floats([Double])
  case strings([String])
  /// Arrays of arrays, and of unsigned numbers of which one exceeds `Int64.max`.
  case array([GGUFValue])

  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  public var stringsValue: [String]? { if case .strings(let value) = self { value } else { nil } }
  public var floatsValue: [Double]? { if case .floats(let value) = self { value } else { nil } }

  public var intValue: Int? { if case .integer(let value) = self { Int(value) } else { nil } }

  public var intsValue: [Int]? {
    if case .integers(let values) = self { values.map { Int($0) } } else { nil }
  }

  /// A float, or an integer taken as one.
  public var doubleValue: Double? {
    switch self {
    case .float(let value): value
    case .integer(let value): Double(value)
    default: nil
    }
  }
}

/// The file's codes for metadata types (GGUF specification, `gguf_metadata_value_type`).
enum GGUFValueType: UInt32 {
  case uint8 = 0
  case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// The least a value of this type takes in the file, in bytes.
  var minimumSize: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}
