/// What is wrong with a shard, and where. Describes itself in one line:
/// `chunks.mls: block 12 (row 98304): checksum mismatch`.
public struct ShardError: Error, Equatable, CustomStringConvertible {
  public var reason: String
  /// The block within its stream, and the row at which it starts.
  public var block: Int?
  public var row: Int?
  /// The stream within the file, named when it is not the first.
  public var stream: Int
  public var path: String?

  public init(
    _ reason: String, block: Int? = nil, row: Int? = nil, stream: Int = 0, path: String? = nil
  ) {
    self.reason = reason
    self.block = block
    self.row = row
    self.stream = stream
    self.path = path
  }

  public var description: String {
    var parts: [String] = []
    if let path { parts.append(path) }
    if stream > 0 { parts.append("stream \(stream)") }
    if let block { parts.append("block \(block)" + (row.map { " (row \($0))" } ?? "")) }
    parts.append(reason)
    return parts.joined(separator: ": ")
  }

  /// The same error with the file's name before it; an inner name is kept.
  public func inFile(_ path: String) -> ShardError {
    var error = self
    if error.path == nil { error.path = path }
    return error
  }
}
