/// The element types that a safetensors buffer names; raw values as the format spells them.
public enum ElementType: String, Sendable, CaseIterable {
  case F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL

  public var byteWidth: Int {
    switch self {
    case .F64, .I64, .U64: 8
    case .F32, .I32, .U32: 4
    case .F16, .BF16, .I16, .U16: 2
    case .I8, .U8, .BOOL: 1
    }
  }
}

/// One tensor of a buffer: `range` is in bytes, from the start of the data (after the header).
public struct TensorEntry: Sendable, Equatable {
  public var name: String
  public var type: ElementType
  public var shape: [Int]
  public var range: Range<Int>

  public init(name: String, type: ElementType, shape: [Int], range: Range<Int>) {
    self.name = name
    self.type = type
    self.shape = shape
    self.range = range
  }

  public var elementCount: Int { range.count / type.byteWidth }
}

/// Why bytes are not a safetensors buffer.
public struct SafetensorsError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// The header of a safetensors buffer: 8 bytes of length (little-endian), then that much JSON.
/// Format: https://huggingface.co/docs/safetensors
public struct SafetensorsHeader: Sendable {
  public var metadata: [String: String]
  /// In the order of their data.
  public var tensors: [TensorEntry]
  /// Where the data start: 8 + the length of the JSON.
  public var dataOffset: Int

  /// The longest JSON that the reference implementation takes.
  public static let maximumLength = 100_000_000

  public subscript(name: String) -> TensorEntry? { tensors.first { $0.name == name } }

  /// Reads the header of a complete buffer and checks that its tensors tile the rest exactly.
  public init(parsing buffer: UnsafeRawBufferPointer) throws {
    try self.init(parsing: buffer, totalCount: buffer.count)
  }

  /// The same for the first bytes of a buffer that is `totalCount` bytes in all.
  public init(parsing buffer: UnsafeRawBufferPointer, totalCount: Int) throws {
    let length = try SafetensorsHeader.length(of: buffer, totalCount: totalCount)
    guard buffer.count >= 8 + length else {
      throw SafetensorsError("safetensors: the header is cut short")
    }
    let document: JSONValue
    do {
      let text = UnsafeRawBufferPointer(rebasing: buffer[8..<8 + length])
      // writers may pad the header with spaces, and with nothing else
      guard text.first == UInt8(ascii: "{") else {
        throw JSONError(reason: "'{' is expected", offset: 0)
      }
      document = try JSONValue(parsing: text)
    } catch {
      throw SafetensorsError("safetensors: the header is \(error)")
    }
    guard case .object(let members) = document else {
      throw SafetensorsError("safetensors: the header is not an object")
    }
    metadata = try SafetensorsHeader.metadata(members["__metadata__"])
    tensors = []
    tensors.reserveCapacity(members.count)
    for (name, member) in members where name != "__metadata__" {
      tensors.append(try SafetensorsHeader.entry(name, member))
    }
    dataOffset = 8 + length
    try sortAndCheck(dataCount: totalCount - dataOffset)
  }

  /// The length of the JSON, from the first 8 bytes; checked against the size of the whole.
  public static func length(of buffer: UnsafeRawBufferPointer, totalCount: Int) throws -> Int {
    guard buffer.count >= 8, totalCount >= 8 else {
      throw SafetensorsError("safetensors: fewer than 8 bytes")
    }
    let length = UInt64(littleEndian: buffer.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(min(maximumLength, totalCount - 8)) else {
      throw SafetensorsError(
        "safetensors: a header of \(length) bytes in a buffer of \(totalCount)")
    }
    return Int(length)
  }

  private static func metadata(_ value: JSONValue?) throws -> [String: String] {
    guard let value, value != .null else { return [:] }
    guard case .object(let members) = value else {
      throw SafetensorsError("safetensors: __metadata__ is not an object")
    }
    return try members.mapValues {
      guard case .string(let text) = $0 else {
        throw SafetensorsError("safetensors: __metadata__ holds something that is not a string")
      }
      return text
    }
  }

  private static func entry(_ name: String, _ value: JSONValue) throws -> TensorEntry {
    let failure = { (reason: String) in SafetensorsError("safetensors: tensor \(name): \(reason)") }
    guard let typeName = value["dtype"]?.stringValue else { throw failure("no dtype") }
    guard let type = ElementType(rawValue: typeName) else {
      throw failure("unknown dtype \(typeName)")
    }
    guard let shape = integers(value["shape"]) else { throw failure("no shape") }
    guard let offsets = integers(value["data_offsets"]), offsets.count == 2 else {
      throw failure("no data_offsets")
    }
    guard offsets[0] <= offsets[1] else { throw failure("data_offsets run backwards") }
    var count = type.byteWidth
    for extent in shape {
      let (product, overflows) = count.multipliedReportingOverflow(by: extent)
      guard !overflows else { throw failure("shape \(shape) is too large") }
      count = product
    }
    guard count == offsets[1] - offsets[0] else {
      throw failure("shape \(shape) of \(typeName) does not take \(offsets[1] - offsets[0]) bytes")
    }
    return TensorEntry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }

  /// An array of integers ≥ 0.
  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard case .array(let elements)? = value else { return nil }
    var integers: [Int] = []
    for element in elements {
      guard case .integer(let integer) = element, integer >= 0 else { return nil }
      integers.append(Int(integer))
    }
    return integers
  }

  private mutating func sortAndCheck(dataCount: Int) throws {
    tensors.sort {
      ($0.range.lowerBound, $0.range.upperBound, $0.name)
        < ($1.range.lowerBound, $1.range.upperBound, $1.name)
    }
    var end = 0
    for tensor in tensors {
      guard tensor.range.lowerBound == end else {
        throw SafetensorsError(
          "safetensors: tensor \(tensor.name): data start at \(tensor.range.lowerBound), not \(end)"
        )
      }
      end = tensor.range.upperBound
    }
    guard end == dataCount else {
      throw SafetensorsError("safetensors: \(dataCount) bytes of data where tensors take \(end)")
    }
  }

  /// The header for tensors laid out in the order given: length and JSON, padded with spaces so
  /// that the data start at a multiple of 8. Metadata keys are sorted.
  public static func encode(
    metadata: [String: String], tensors: [(name: String, type: ElementType, shape: [Int])]
  ) -> [UInt8] {
    var text = Array("{".utf8)
    if !metadata.isEmpty {
      text += "\"__metadata__\":".utf8
      text += JSONValue.object(metadata.mapValues { .string($0) }).encodedBytes()
    }
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.shape.reduce(tensor.type.byteWidth, *)
      if text.count > 1 { text.append(UInt8(ascii: ",")) }
      text += JSONValue.string(tensor.name).encodedBytes()
      text += ":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[".utf8
      text += tensor.shape.map(String.init).joined(separator: ",").utf8
      text += "],\"data_offsets\":[\(offset),\(end)]}".utf8
      offset = end
    }
    text.append(UInt8(ascii: "}"))
    text += repeatElement(0x20, count: (8 - text.count % 8) % 8)
    var header = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    header += text
    return header
  }
}
