import ArgumentParser
import FilePaths
import Glibc

/// The name of the running tool, as messages and the provenance give it.
public enum ToolName {
  nonisolated(unsafe) fileprivate(set) public static var current = "memlong"
}

/// The one entry of every tool: parses, runs, ends. A usage error ends with 64, any other with 1
/// or the status of its `ToolError`; either prints one line. Signals remove unfinished outputs.
public func runTool<Command: ParsableCommand>(_ type: Command.Type) -> Never {
  ToolName.current = type.configuration.commandName ?? type._commandName
  occupyStandardDescriptors()
  installSignalHandlers()
  var command: any ParsableCommand
  do {
    command = try type.parseAsRoot(Array(commandLineArguments().dropFirst()))
  } catch {
    endParsing(error, type)
  }
  do {
    try command.run()
  } catch {
    Temporaries.removeAll()
    endRunning(error, type)
  }
  Temporaries.removeAll()
  exit(0)
}

/// A standard descriptor that the parent closed would be given to the first file opened, and
/// messages would land in an output. It is taken by one that fails every use instead.
private func occupyStandardDescriptors() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
    // the lowest free number is this one
    _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

private func endParsing<Command: ParsableCommand>(_ error: any Error, _ type: Command.Type) -> Never
{
  if type.exitCode(for: error) == .success { printHelp(type.fullMessage(for: error)) }
  if let error = error as? ToolError { fail(error.message, exitCode: error.exitCode) }
  fail("\(type.message(for: error)) (see \(ToolName.current) --help)", exitCode: 64)
}

private func endRunning<Command: ParsableCommand>(_ error: any Error, _ type: Command.Type) -> Never
{
  switch error {
  case let error as ToolError: fail(error.message, exitCode: error.exitCode)
  case let error as ExitCode: exit(error.rawValue)
  case let error as ValidationError: fail(error.message, exitCode: 64)
  default:
    // --help comes as a command of its own, which throws what it wants printed
    if type.exitCode(for: error) == .success { printHelp(type.fullMessage(for: error)) }
    fail("\(error)", exitCode: 1)
  }
}

private func printHelp(_ text: String) -> Never {
  do {
    let output = try OutputFile(nil, isBinary: false)
    try output.write(text + "\n")
    try output.commit()
    exit(0)
  } catch {
    fail("\(error)", exitCode: 1)
  }
}

private func fail(_ message: String, exitCode: Int32) -> Never {
  printMessage(message)
  exit(exitCode)
}

/// Prints one line on standard error, the tool's name before it. An unfinished progress line goes.
public func printMessage(_ message: String) {
  let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
  Progress.clearLine()
  writeToStandardError("\(ToolName.current): \(line)\n")
}

func writeToStandardError(_ text: String) {
  // A path's bytes are given back as they are.
  text.pathBytes.withUnsafeBytes { bytes in
    var rest = bytes
    while !rest.isEmpty {
      let count = write(STDERR_FILENO, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}
