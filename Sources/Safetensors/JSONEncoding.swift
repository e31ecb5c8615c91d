extension JSONValue {
  /// Compact text, keys sorted by Unicode scalar: the same value always gives the same bytes.
  public var encoded: String { String(decoding: encodedBytes(), as: UTF8.self) }

  /// The same with two spaces of indentation and a newline at the end.
  public var prettyEncoded: String {
    var output: [UInt8] = []
    write(to: &output, indentation: 0)
    output.append(0x0a)
    return String(decoding: output, as: UTF8.self)
  }

  /// `encoded` as bytes.
  public func encodedBytes() -> [UInt8] {
    var output: [UInt8] = []
    write(to: &output, indentation: nil)
    return output
  }

  private func write(to output: inout [UInt8], indentation: Int?) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): output.append(contentsOf: String(value).utf8)
    case .number(let value): output.append(contentsOf: JSONValue.text(of: value).utf8)
    case .string(let value): JSONValue.write(value, to: &output)
    case .array(let elements):
      JSONValue.writeList("[", "]", elements, to: &output, indentation) { element, output, inner in
        element.write(to: &output, indentation: inner)
      }
    case .object(let members):
      // Swift's string order is by scalar of the normalised text; the bytes break its ties
      let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      JSONValue.writeList("{", "}", sorted, to: &output, indentation) { member, output, inner in
        JSONValue.write(member.key, to: &output)
        output.append(UInt8(ascii: ":"))
        if inner != nil { output.append(0x20) }
        member.value.write(to: &output, indentation: inner)
      }
    }
  }

  private static func writeList<Element>(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ elements: [Element],
    to output: inout [UInt8], _ indentation: Int?,
    _ writeElement: (Element, inout [UInt8], Int?) -> Void
  ) {
    output.append(UInt8(ascii: open))
    let inner = indentation.map { $0 + 2 }
    for (index, element) in elements.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      newLine(inner, in: &output)
      writeElement(element, &output, inner)
    }
    if !elements.isEmpty { newLine(indentation, in: &output) }
    output.append(UInt8(ascii: close))
  }

  private static func newLine(_ indentation: Int?, in output: inout [UInt8]) {
    guard let indentation else { return }
    output.append(0x0a)
    output.append(contentsOf: repeatElement(0x20, count: indentation))
  }

  /// The shortest decimal that reads back as the same Double; JSON has no word for the others.
  private static func text(of value: Double) -> String {
    value.isFinite ? "\(value)" : "null"
  }

  private static func write(_ text: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(contentsOf: [0x5c, byte])
      case 0x0a: output.append(contentsOf: [0x5c, UInt8(ascii: "n")])
      case 0x0d: output.append(contentsOf: [0x5c, UInt8(ascii: "r")])
      case 0x09: output.append(contentsOf: [0x5c, UInt8(ascii: "t")])
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        output.append(contentsOf: "\\u00".utf8)
        output.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
