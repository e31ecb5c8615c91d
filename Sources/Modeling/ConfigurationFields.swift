import Safetensors

/// Reads typed fields of a configuration, naming the field in every error.
struct ConfigurationFields {
  let json: JSONValue

  init(_ json: JSONValue) { self.json = json }

  /// The value, where a field that is absent and one that is `null` mean the same.
  private func present(_ name: String) -> JSONValue? {
    json[name] == .null ? nil : json[name]
  }

  func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws
    -> Int
  {
    guard let value = present(name)?.intValue ?? (present(name) == nil ? fallback : nil) else {
      throw ModelError("config: \(name) is missing or not an integer")
    }
    guard range.contains(value) else {
      throw ModelError(
        "config: \(name) is \(value), not in \(range.lowerBound)…\(range.upperBound)")
    }
    return value
  }

  func number(_ name: String, default fallback: Double? = nil) throws -> Double {
    let value = present(name)
    guard let number = value?.doubleValue ?? (value == nil ? fallback : nil), number.isFinite,
      number > 0
    else { throw ModelError("config: \(name) is missing or not a positive number") }
    return number
  }

  func boolean(_ name: String, default fallback: Bool) throws -> Bool {
    guard let value = present(name) else { return fallback }
    guard let flag = value.boolValue else { throw ModelError("config: \(name) is not a boolean") }
    return flag
  }

  /// Numbers of a list, `count` of them and all positive.
  func numbers(_ name: String, count: Int) throws -> [Double] {
    let values = present(name)?.arrayValue?.compactMap(\.doubleValue) ?? []
    guard values.count == count, values.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw ModelError("config: \(name) is not a list of \(count) positive numbers")
    }
    return values
  }

  func has(_ name: String) -> Bool { present(name) != nil }

  func object(_ name: String) throws -> ConfigurationFields? {
    guard let value = present(name) else { return nil }
    guard value.objectValue != nil else { throw ModelError("config: \(name) is not an object") }
    return ConfigurationFields(value)
  }

  func string(_ name: String) -> String? { present(name)?.stringValue }

  /// Refuses fields that would change the computation, unless they hold what changes nothing.
  ///
  /// - Parameter neutral: by name, the value that is accepted besides null and false; nil for none.
  func refuse(_ neutral: [String: Double?]) throws {
    for (name, harmless) in neutral.sorted(by: { $0.key < $1.key }) {
      guard let value = present(name), value.boolValue != false else { continue }
      guard let harmless, value.doubleValue == harmless else {
        throw ModelError("config: \(name) \(value.encoded) is not supported")
      }
    }
  }

  /// Refuses every field but these.
  func allow(_ names: Set<String>, in what: String) throws {
    if let other = (json.objectValue ?? [:]).keys.sorted().first(where: { !names.contains($0) }) {
      throw ModelError("config: \(what) has \(other), which is not supported")
    }
  }

  func require(_ name: String, among accepted: [String], default fallback: String? = nil) throws {
    guard let value = string(name) ?? (present(name) == nil ? fallback : nil) else {
      throw ModelError("config: \(name) is missing")
    }
    guard accepted.contains(value) else {
      throw ModelError(
        "config: \(name) \"\(value)\" is not supported (supported: \(accepted.joined(separator: ", ")))"
      )
    }
  }
}
