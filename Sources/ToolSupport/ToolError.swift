import Glibc

/// The version of all tools, in `--version` and in the provenance.
public let toolVersion = "0.1.0"

/// A failure with the line that the user sees and the status that the tool ends with.
public struct ToolError: Error, CustomStringConvertible {
  public let message: String
  public let exitCode: Int32

  /// - Parameter exitCode: 1 for data and I/O
  public init(_ message: String, exitCode: Int32 = 1) {
    self.message = message
    self.exitCode = exitCode
  }

  /// The command line is wrong: exit 64.
  public static func usage(_ message: String) -> ToolError { ToolError(message, exitCode: 64) }

  /// Stopped on request after a checkpoint: exit 75.
  public static func stopped(_ message: String) -> ToolError { ToolError(message, exitCode: 75) }

  /// What the system says of `path`, from `errno`.
  public static func system(_ path: String) -> ToolError {
    ToolError("\(path): \(String(cString: strerror(errno)))")
  }

  public var description: String { message }
}
