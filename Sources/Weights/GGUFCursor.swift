import Safetensors

/// Reads little-endian GGUF fields from a mapped file. Every read is checked against the bytes left,
/// and every count against the least its elements can take, before memory is taken.
struct GGUFCursor {
  private let file: MappedFile
  private(set) var position = 0

  init(_ file: MappedFile) { self.file = file }

  var path: String { file.path }
  var size: Int { file.count }
  var remaining: Int { size - position }

  mutating func read<T: FixedWidthInteger>(_ type: T.Type, _ what: @autoclosure () -> String) throws
    -> T
  {
    let size = MemoryLayout<T>.size
    guard size <= remaining else { throw truncated(what()) }
    defer { position += size }
    return file.withBytes {
      T(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: T.self))
    }
  }

  /// A count of things of at least `minimumSize` bytes each.
  mutating func readCount(minimumSize: Int, _ what: @autoclosure () -> String) throws -> Int {
    let stored = try read(UInt64.self, what())
    guard let count = Int(exactly: stored), count <= remaining / minimumSize else {
      throw WeightsError(
        path, "\(what()): \(stored) does not fit the \(remaining) bytes left of the file")
    }
    return count
  }

  mutating func readString(_ what: @autoclosure () -> String) throws -> String {
    let length = try readCount(minimumSize: 1, "length of \(what())")
    let text = file.withBytes {
      String(utf8: UnsafeRawBufferPointer(rebasing: $0[position..<position + length]))
    }
    guard let string = text else {
      throw WeightsError(path, "\(what()) is not UTF-8")
    }
    position += length
    return string
  }

  mutating func readValue(_ key: String) throws -> GGUFValue {
    try readValue(readType(key), key, depth: 0)
  }

  private mutating func readType(_ key: String) throws -> GGUFValueType {
    let code = try read(UInt32.self, "type of \(key)")
    guard let type = GGUFValueType(rawValue: code) else {
      throw WeightsError(path, "\(key): unknown metadata type \(code)")
    }
    return type
  }

  private mutating func readValue(_ type: GGUFValueType, _ key: String, depth: Int) throws
    -> GGUFValue
  {
    switch type {
    case .bool: return .bool(try readBool(key))
    case .string: return .string(try readString(key))
    case .float32, .float64: return .float(try readFloat(type, key))
    case .array: return try readArray(key, depth: depth)
    case .uint64:
      let value = try read(UInt64.self, key)
      return Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
    default: return .integer(try readInteger(type, key))
    }
  }

  private mutating func readArray(_ key: String, depth: Int) throws -> GGUFValue {
    // A header of nested arrays could otherwise exhaust the stack.
    guard depth < 8 else { throw WeightsError(path, "\(key): arrays nested deeper than 8") }
    let type = try readType(key)
    let count = try readCount(minimumSize: type.minimumSize, "length of \(key)")
    switch type {
    case .bool: return .bools(try collect(count) { try $0.readBool(key) })
    case .string: return .strings(try collect(count) { try $0.readString(key) })
    case .float32, .float64: return .floats(try collect(count) { try $0.readFloat(type, key) })
    case .array: return .array(try collect(count) { try $0.readArray(key, depth: depth + 1) })
    case .uint64:
      let values = try collect(count) { try $0.read(UInt64.self, key) }
      let small = values.compactMap { Int64(exactly: $0) }
      if small.count == values.count { return .integers(small) }
      return .array(values.map { v in Int64(exactly: v).map { .integer($0) } ?? .unsigned(v) })
    default: return .integers(try collect(count) { try $0.readInteger(type, key) })
    }
  }

  private mutating func collect<T>(_ count: Int, _ next: (inout GGUFCursor) throws -> T) throws
    -> [T]
  {
    var values: [T] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(try next(&self)) }
    return values
  }

  private mutating func readBool(_ key: String) throws -> Bool {
    let byte = try read(UInt8.self, key)
    guard byte <= 1 else { throw WeightsError(path, "\(key): \(byte) is not a boolean") }
    return byte == 1
  }

  private mutating func readFloat(_ type: GGUFValueType, _ key: String) throws -> Double {
    type == .float32
      ? Double(Float(bitPattern: try read(UInt32.self, key)))
      : Double(bitPattern: try read(UInt64.self, key))
  }

  private mutating func readInteger(_ type: GGUFValueType, _ key: String) throws -> Int64 {
    switch type {
    case .uint8: Int64(try read(UInt8.self, key))
    case .int8: Int64(try read(Int8.self, key))
    case .uint16: Int64(try read(UInt16.self, key))
    case .int16: Int64(try read(Int16.self, key))
    case .uint32: Int64(try read(UInt32.self, key))
    case .int32: Int64(try read(Int32.self, key))
    default: try read(Int64.self, key)
    }
  }

  private func truncated(_ what: String) -> WeightsError {
    WeightsError(path, "truncated at byte \(size), in \(what)")
  }
}
