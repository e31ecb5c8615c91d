import Records
import ShardIO
import ToolSupport

/// A chunk shard that is read more than once: first to take its census, then by every lane.
///
/// Standard input is copied to an unlinked temporary file first.
public struct ChunkInput {
  private let paths: [String]
  /// What messages call the copy of standard input.
  private let shownName: String?
  public let census: ChunkCensus

  public init(_ inputs: [String]) throws {
    let isPipe = inputs.isEmpty || inputs == ["-"]
    guard isPipe || !inputs.contains("-") else {
      throw ToolError.usage("- (standard input) cannot stand beside other inputs")
    }
    let pipe = isPipe ? try InputFile(nil) : nil
    paths = try pipe.map { [try spool($0)] } ?? inputs
    shownName = pipe?.name
    census = try ChunkCensus(try Self.open(paths, shownName))
    guard census.tokens > 0 else { throw ToolError("\(shownName ?? paths[0]): no chunks") }
  }

  /// A reader from the first row on.
  public func open() throws -> ChunkReader { try Self.open(paths, shownName) }

  private static func open(_ paths: [String], _ shownName: String?) throws -> ChunkReader {
    try ChunkReader(sources: try paths.map { try InputFile($0, shownName: shownName) })
  }
}
