import ArgumentParser
import Glibc
import ShardIO

/// The options that are spelt the same everywhere.
public struct CommonOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Write to FILE, which appears complete or not at all.", valueName: "FILE"))
  public var output: String?

  @Flag(name: .shortAndLong, help: "Print errors only.")
  public var quiet = false

  @Flag(name: .shortAndLong, help: "Print more of what is done.")
  public var verbose = false

  @Option(
    help: ArgumentHelp("Threads; never changes a result. (default: all cores)", valueName: "N"))
  public var threads: Int?

  @Option(help: ArgumentHelp("Where anything is random, its seed.", valueName: "N"))
  public var seed: UInt64 = 0

  @Flag(help: "Leave out which tools and arguments made the output.")
  public var noProvenance = false

  public init() {}

  public mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is \(threads), not in 1...1024")
    }
    if output == "" { throw ValidationError("-o names no file") }
  }

  /// The threads asked for, or as many as there are cores for this process.
  public var threadCount: Int { threads ?? availableCores() }

  /// The folder that `-o` names, for outputs that are folders.
  /// - Parameter what: such as `the adapter's`
  public func outputFolder(_ what: String) throws -> String {
    guard let output else { throw ValidationError("-o DIR, \(what) folder, is missing") }
    guard output != "-" else {
      throw ValidationError("-o is -, but \(what) folder cannot be standard output")
    }
    return output
  }

  /// A line on standard error unless `-q`.
  public func note(_ message: @autoclosure () -> String) {
    if !quiet { printMessage(message()) }
  }

  /// A line on standard error with `-v`.
  public func detail(_ message: @autoclosure () -> String) {
    if verbose && !quiet { printMessage(message()) }
  }
}

/// The cores that this process may run on (a scheduler may have bound it to a few), as
/// /proc/self/status tells: `Cpus_allowed: 00ff,ffffffff`.
func availableCores() -> Int {
  let online = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  guard let file = fopen("/proc/self/status", "re") else { return online }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 4096)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    guard text.starts(with: "Cpus_allowed:".utf8) else { continue }
    let digits = text.dropFirst(13).compactMap {
      Character(UnicodeScalar($0)).hexDigitValue
    }
    let allowed = digits.reduce(0) { $0 + $1.nonzeroBitCount }
    return allowed > 0 ? min(allowed, online) : online
  }
  return online
}

/// The arguments and options that `command --help` lists: for a tool's own help, when the command is
/// what runs where no subcommand is named.
public func optionsHelp<Command: ParsableCommand>(of command: Command.Type) -> String {
  let help = command.helpMessage(columns: 80)
  guard let start = help.firstRange(of: "ARGUMENTS:")?.lowerBound else { return "" }
  return String(help[start...])
}

/// What stands below the options in `--help`: two runnable examples and the exit codes.
public func helpDiscussion(_ text: String = "", examples: [String], extraCodes: String = "")
  -> String
{
  let intro = text.isEmpty ? "" : text + "\n\n"
  return intro + "Examples:\n" + examples.map { "  \($0)\n" }.joined()
    + "\nExit status: 0 done; 1 failed (data, input or output); 64 usage"
    + (extraCodes.isEmpty ? "" : "; " + extraCodes) + "; 128+n ended by signal n."
}
