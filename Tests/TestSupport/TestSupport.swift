import Foundation

/// The path of a file under Tests/Fixtures.
public func fixture(_ path: String, file: String = #filePath) -> String {
  URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/\(path)").path
}
public func cachedModel(_ path: String) throws -> String {
  NSHomeDirectory() + "/.cache/memlong/models/" + path
}
