import Safetensors

/// Reads a JSON object's fields and names the path of the one that is wrong.
struct FieldReader {
  let path: String
  private let fields: [String: JSONValue]

  init(_ value: JSONValue, at path: String) throws {
    guard let fields = value.objectValue else {
      throw ResultError("\(path.isEmpty ? "results" : path): expected an object")
    }
    self.path = path
    self.fields = fields
  }

  func string(_ key: String) throws -> String { try field(key, "a string", \.stringValue) }

  /// A finite number.
  func number(_ key: String) throws -> Double {
    try field(key, "a number") { $0.doubleValue.flatMap { $0.isFinite ? $0 : nil } }
  }

  func integer(_ key: String, in range: ClosedRange<Int>? = nil) throws -> Int {
    try field(key, Self.kind(range)) { Self.integer($0, range) }
  }

  /// nil where the field is null; the field itself is required.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    let value = try field(key, "a whole number or null") { $0 }
    return value == .null ? nil : try integer(key, in: range)
  }

  func integers(_ key: String, in range: ClosedRange<Int>) throws -> [Int] {
    try elements(key, Self.kind(range)) { Self.integer($0, range) }
  }

  func numbers(_ key: String) throws -> [Double] {
    try elements(key, "a number") { $0.doubleValue.flatMap { $0.isFinite ? $0 : nil } }
  }

  func strings(_ key: String) throws -> [String] { try elements(key, "a string", \.stringValue) }

  func boolean(_ key: String) throws -> Bool { try field(key, "a boolean", \.boolValue) }

  /// The field as it stands.
  func value(_ key: String) throws -> JSONValue { try field(key, "a value") { $0 } }

  /// Whether the object has the field at all.
  func has(_ key: String) -> Bool { fields[key] != nil }

  /// nil where the field is null; the field itself is required.
  func optionalBoolean(_ key: String) throws -> Bool? {
    let value = try field(key, "a boolean or null") { $0 }
    return value == .null ? nil : try boolean(key)
  }

  func choice<Choice: RawRepresentable<String>>(_ key: String) throws -> Choice {
    let name = try string(key)
    guard let choice = Choice(rawValue: name) else {
      throw ResultError("\(join(key)): unknown value \(name)")
    }
    return choice
  }

  func object(_ key: String) throws -> FieldReader {
    try FieldReader(try field(key, "an object") { $0 }, at: join(key))
  }

  /// nil where the field is null; the field itself is required.
  func optionalObject(_ key: String) throws -> FieldReader? {
    let value = try field(key, "an object or null") { $0 }
    return value == .null ? nil : try FieldReader(value, at: join(key))
  }

  func array(_ key: String) throws -> [FieldReader] {
    let values = try field(key, "an array", \.arrayValue)
    return try values.enumerated().map { try FieldReader($1, at: "\(join(key))[\($0)]") }
  }

  private func elements<Value>(
    _ key: String, _ kind: String, _ convert: (JSONValue) -> Value?
  ) throws -> [Value] {
    try field(key, "an array", \.arrayValue).enumerated().map { index, value in
      guard let value = convert(value) else {
        throw ResultError("\(join(key))[\(index)]: expected \(kind)")
      }
      return value
    }
  }

  private func field<Value>(
    _ key: String, _ kind: String, _ convert: (JSONValue) -> Value?
  ) throws -> Value {
    guard let value = fields[key] else { throw ResultError("\(join(key)) is missing") }
    guard let converted = convert(value) else {
      throw ResultError("\(join(key)): expected \(kind)")
    }
    return converted
  }

  private static func kind(_ range: ClosedRange<Int>?) -> String {
    range.map { "a whole number from \($0.lowerBound) to \($0.upperBound)" } ?? "a whole number"
  }

  private static func integer(_ value: JSONValue, _ range: ClosedRange<Int>?) -> Int? {
    guard let number = value.intValue else { return nil }
    return range?.contains(number) ?? true ? number : nil
  }

  private func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}
