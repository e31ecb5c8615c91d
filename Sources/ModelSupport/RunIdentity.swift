import Safetensors
import ToolSupport

/// Everything that a run's result depends on, as text by name: what must agree for a checkpoint of one
/// run to be continued by another.
public struct RunIdentity: Equatable, Sendable {
  public private(set) var fields: [String: String] = [:]
  /// The names of the inputs, which are compared first.
  private var inputs: [String] = []

  public init() {}

  /// Adds an input by its digest; nil for none.
  public mutating func add(input name: String, digest: String?) {
    inputs.append(name)
    fields[name] = digest ?? "none"
  }

  /// Adds every stored property of `value`, nested ones as `outer.inner`: an option that is added
  /// to a type later is compared without being named here. One that is nil is not named, as it is not
  /// in what was written before there was such an option.
  public mutating func add(_ value: Any, as name: String = "") {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional {
      if let wrapped = mirror.children.first { add(wrapped.value, as: name) }
    } else if mirror.displayStyle == .struct, !mirror.children.isEmpty {
      for case (let label?, let child) in mirror.children {
        add(child, as: name.isEmpty ? label : name + "." + label)
      }
    } else {
      fields[name] = Self.text(value)
    }
  }

  private static func text(_ value: Any) -> String {
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .collection: return mirror.children.map { text($0.value) }.joined(separator: ",")
    default: return "\(value)"
    }
  }

  public var json: JSONValue { .object(fields.mapValues { .string($0) }) }

  /// The first difference to another run and both of its sides; nil where the two agree.
  ///
  /// - Parameter stored: the `json` of the other run.
  public func difference(to stored: JSONValue?) -> String? {
    let other = stored?.objectValue?.compactMapValues(\.stringValue) ?? [:]
    let names = Set(fields.keys).union(other.keys).subtracting(inputs).sorted()
    for name in inputs + names where fields[name] != other[name] {
      return "\(name) is \(other[name] ?? "absent") there and \(fields[name] ?? "absent") here"
    }
    return nil
  }

  /// Refuses what another run wrote.
  ///
  /// - Parameters:
  ///   - stored: the `json` of the run that wrote what is at `path`.
  ///   - remedy: what the user can do about it.
  /// - Throws: `ToolError` naming the first difference and both of its sides.
  public func check(_ stored: JSONValue?, path: String, remedy: String) throws {
    if let difference = difference(to: stored) {
      throw ToolError("\(path) is of another run: \(difference) (\(remedy))")
    }
  }
}
