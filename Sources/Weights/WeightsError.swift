/// A model, adapter or weight file that cannot be used: one line, the file first.
public struct WeightsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file or folder at fault.
  public let path: String
  /// What is wrong with it; names the tensor or key where there is one.
  public let message: String

  public init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }

  public var description: String { oneLine("\(path): \(message)") }
}

/// `text` with control characters (they reach messages from file content) made visible.
func oneLine(_ text: String) -> String {
  var line = ""
  for scalar in text.unicodeScalars {
    if scalar.value < 32 || scalar.value == 127 {
      line += "\\u{" + String(scalar.value, radix: 16) + "}"
    } else {
      line.unicodeScalars.append(scalar)
    }
  }
  return line
}
