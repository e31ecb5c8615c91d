import Foundation
import XCTest

/// What a tool did.
public struct ToolResult {
  /// The exit status, or 128 + n where signal n ended it.
  public let status: Int32
  public let output: [UInt8]
  public let standardError: String

  public var text: String { String(decoding: output, as: UTF8.self) }
}

/// Where the built tools are: beside the test bundle, or `MEMLONG_BIN`.
public func toolPath(_ name: String) throws -> String {
  var folders: [URL] = []
  if let folder = ProcessInfo.processInfo.environment["MEMLONG_BIN"] {
    folders.append(URL(fileURLWithPath: folder))
  }
  folders.append(Bundle.main.bundleURL)
  folders.append(
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent())
  for folder in folders {
    let path = folder.appendingPathComponent(name).path
    if FileManager.default.isExecutableFile(atPath: path) { return path }
  }
  throw XCTSkip("\(name) is not built")
}

/// Runs a built tool to its end. Both of its outputs are drained while it runs and its input is
/// fed at the same time, so no pipe can fill up and stop it.
public func runTool(
  _ name: String, _ arguments: [String] = [], stdin: [UInt8] = [],
  environment: [String: String] = [:], currentFolder: String? = nil
) throws -> ToolResult {
  try runProgram(
    toolPath(name), arguments, stdin: stdin, environment: environment,
    currentFolder: currentFolder)
}

/// The same for any program. A relative path is looked up in PATH.
public func runProgram(
  _ path: String, _ arguments: [String] = [], stdin: [UInt8] = [],
  environment: [String: String] = [:], currentFolder: String? = nil
) throws -> ToolResult {
  let process = Process()
  let isFound = path.contains("/")
  process.executableURL = URL(fileURLWithPath: isFound ? path : "/usr/bin/env")
  process.arguments = isFound ? arguments : [path] + arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  if let currentFolder {
    process.currentDirectoryURL = URL(fileURLWithPath: currentFolder)
  }
  let (input, output, error) = (Pipe(), Pipe(), Pipe())
  process.standardInput = input
  process.standardOutput = output
  process.standardError = error
  // a tool that stops reading early must fail our write, not end the tests
  signal(SIGPIPE, SIG_IGN)
  try process.run()

  let results = Drained()
  let group = DispatchGroup()
  drain(output, into: results, at: 0, group)
  drain(error, into: results, at: 1, group)
  let feeder = input.fileHandleForWriting
  DispatchQueue.global().async(group: group) {
    try? feeder.write(contentsOf: Data(stdin))
    try? feeder.close()
  }
  group.wait()
  process.waitUntilExit()
  let signalled = process.terminationReason == .uncaughtSignal
  return ToolResult(
    status: process.terminationStatus + (signalled ? 128 : 0), output: results[0],
    standardError: String(decoding: results[1], as: UTF8.self))
}

private final class Drained: @unchecked Sendable {
  private var parts: [[UInt8]] = [[], []]
  private let lock = NSLock()

  subscript(index: Int) -> [UInt8] {
    get { lock.withLock { parts[index] } }
    set { lock.withLock { parts[index] = newValue } }
  }
}

private func drain(_ pipe: Pipe, into results: Drained, at index: Int, _ group: DispatchGroup) {
  let handle = pipe.fileHandleForReading
  DispatchQueue.global().async(group: group) {
    results[index] = [UInt8]((try? handle.readToEnd()) ?? Data())
  }
}

/// A fresh folder that is removed after `body`.
public func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("memlong-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}
