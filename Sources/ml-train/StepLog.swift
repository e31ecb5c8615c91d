import FilePaths
import Glibc
import Safetensors
import ToolSupport
import Training

/// A file of JSON lines that grows by one a step, so that `tail -f` shows a run as it goes.
///
/// Unlike other outputs it is not atomic: a killed run leaves the lines so far. A resumed run drops
/// those after its checkpoint and writes them again.
final class StepLog {
  private let path: String
  private let descriptor: Int32

  /// - Parameter step: the last step whose line is kept; nil empties the file.
  init(_ path: String, keepingThrough step: Int?) throws {
    self.path = path
    if path == "-" {
      descriptor = dup(STDOUT_FILENO)
    } else {
      descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    }
    guard descriptor >= 0 else { throw ToolError.system(path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw ToolError.system(path) }
    guard path != "-", status.st_mode & S_IFMT == S_IFREG else { return }  // nothing to take back
    let kept =
      try step.map { try Self.length(of: path, through: $0, size: Int(status.st_size)) } ?? 0
    guard ftruncate(descriptor, off_t(kept)) == 0 else { throw ToolError.system(path) }
  }

  deinit { close(descriptor) }

  func write(_ report: StepReport, tokensPerSecond: Double) throws {
    let line = report.json(tokensPerSecond: tokensPerSecond).encoded + "\n"
    var bytes = Array(line.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw ToolError.system(path) }
      bytes = bytes.dropFirst(count)
    }
  }

  /// Brings the lines so far to the disk: a checkpoint must not know more than they do.
  func sync() throws {
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
      throw ToolError.system(path)
    }
  }

  /// Bytes of the complete lines up to that of `step`.
  private static func length(of path: String, through step: Int, size: Int) throws -> Int {
    let reader = LineReader(try InputFile(path, isBinary: false))
    var length = 0
    while let line = try reader.next() {
      guard let found = try? JSONValue(parsing: line), let number = found["step"]?.intValue,
        number <= step, length + line.count < size
      else { break }
      length += line.count + 1
    }
    return length
  }
}

extension StepReport {
  /// Numbers by their names in the log, in the order of a table. Only the rate depends on the machine.
  func scalars(tokensPerSecond: Double) -> [(tag: String, value: Double)] {
    [
      ("loss", loss), ("learning_rate", learningRate), ("gradient_norm", gradientNorm),
      ("hits", Double(hits)), ("hit_age", meanHitAge ?? .nan), ("bank_chunks", Double(bankChunks)),
      ("tokens", Double(tokens)), ("tokens_per_second", tokensPerSecond),
    ]
  }

  func json(tokensPerSecond: Double) -> JSONValue {
    .object([
      "step": .integer(Int64(step)), "loss": .number(loss), "learning_rate": .number(learningRate),
      "gradient_norm": .number(gradientNorm), "tokens": .integer(Int64(tokens)),
      "hits": .integer(Int64(hits)), "hit_age": meanHitAge.map { .number($0) } ?? .null,
      "bank_chunks": .integer(Int64(bankChunks)),
      "tokens_per_second": .number(tokensPerSecond),
    ])
  }
}
