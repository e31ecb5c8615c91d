import ArgumentParser
import Modeling
import ToolSupport

/// The options that say where the memory's keys and values lie.
public struct MemoryRoom: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keys and values of the memory that stay in RAM; the others go to an unnamed file under "
        + "TMPDIR. (default: an eighth of what is available)", valueName: "MB"))
  public var memoryInRam: Int?

  public init() {}

  public func validate() throws {
    guard (0...1 << 40).contains(memoryInRam ?? 0) else {
      throw ValidationError("--memory-in-ram is \(memoryInRam ?? 0), not in 0...\(1 << 40)")
    }
  }

  /// Bytes that stay in RAM.
  public var bytesInRAM: Int { memoryInRam.map { $0 * 1_000_000 } ?? MemoryStore.standardBytes }

  /// - Throws: `ToolError` where a bank of so many bytes is more than RAM's share and `TMPDIR` hold.
  public func check(_ bankBytes: Int) throws {
    let beyond = bankBytes - bytesInRAM
    guard beyond > 0, let left = TemporaryFile.room(), beyond > left.bytes else { return }
    throw ToolError(
      "the memory grows to \(bankBytes / 1_000_000) MB, of which \(beyond / 1_000_000) MB go to "
        + "TMPDIR, but \(left.folder) has \(left.bytes / 1_000_000) MB left (see --memory-in-ram)")
  }

  public func makeStore() -> MemoryStore { .filed(bytesInRAM: bytesInRAM) }
}

extension MemoryStore {
  /// What does not fit in RAM lies in a file.
  static func filed(bytesInRAM: Int = standardBytes) -> MemoryStore {
    MemoryStore(limit: bytesInRAM, overflow: FileOverflow())
  }

  /// Leaves most to the weights and the passes, and to the pages of the file.
  static var standardBytes: Int { (AvailableMemory.now()?.bytes).map { $0 / 8 } ?? .max }
}
