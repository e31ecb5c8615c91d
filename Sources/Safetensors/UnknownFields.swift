extension JSONValue {
  /// Whether a field of this value asks for nothing: null, false, an empty list or object.
  public var isOff: Bool {
    switch self {
    case .null, .bool(false): true
    case .array(let elements): elements.isEmpty
    case .object(let fields): fields.isEmpty
    default: false
    }
  }

  /// The first field, in order of name, that is not `known` and not off; nil for none.
  ///
  /// A configuration grows with every release of the program that writes it. What is not known to be
  /// harmless may change the result, so that a reader refuses it by name.
  public func unknownField(known: (String) -> Bool) -> (name: String, value: JSONValue)? {
    (objectValue ?? [:]).filter { !known($0.key) && !$0.value.isOff }
      .min { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
  }
}
