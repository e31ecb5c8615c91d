extension TextNormalizer {
  /// The steps of a tokenizer.json's normalizer.
  init(_ component: JSONComponent?) throws {
    steps = try component.map(Self.steps) ?? []
  }

  private static func steps(_ component: JSONComponent) throws -> [Step] {
    if let form = UnicodeForm(rawValue: component.type) { return [.form(form)] }
    switch component.type {
    case "Sequence": return try component.members("normalizers").flatMap(steps)
    case "Lowercase": return [.lowercase]
    case "Prepend": return [.prepend(Array(try component.text("prepend", or: "").utf8))]
    case "Replace":
      let pattern = try component.compiled(component.pattern())
      return [.replace(pattern, Array(try component.text("content", or: "").utf8))]
    default: throw component.refusal()
    }
  }

  /// What a space becomes, where that is all that happens to spaces.
  var spaceMark: [UInt8]? {
    for case .replace(.literal([0x20]), let mark) in steps where !mark.isEmpty { return mark }
    return nil
  }

  /// Whether it puts a mark before the text.
  func prepends(_ mark: [UInt8]) -> Bool {
    steps.contains {
      if case .prepend(let prefix) = $0 { prefix == mark || prefix == [0x20] } else { false }
    }
  }

  /// True where letters and spaces stay what they are but for their case.
  var keepsSpaces: Bool {
    steps.allSatisfy {
      if case .form = $0 { true } else if case .lowercase = $0 { true } else { false }
    }
  }

  /// True where a text of two words has the normal form of these two, put together with the mark.
  var keepsWordsApart: Bool {
    steps.allSatisfy {
      switch $0 {
      case .form, .lowercase: true
      case .prepend(let prefix): prefix == spaceMark
      case .replace(.literal([0x20]), _): true
      case .replace: false
      }
    }
  }
}
