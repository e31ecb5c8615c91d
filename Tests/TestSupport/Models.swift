import Foundation
import XCTest

/// A file or folder of the model cache (`smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`, `minilm`),
/// which `make test` fills; skips the test where it is absent.
public func cachedModel(_ name: String) throws -> String {
  let environment = ProcessInfo.processInfo.environment
  let home = environment["HOME"] ?? "/root"
  let cache = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? home + "/.cache"
  let path = "\(cache)/memlong/models/\(name)"
  guard FileManager.default.fileExists(atPath: path) else {
    throw XCTSkip("\(path) is absent: make fetch")
  }
  return path
}
