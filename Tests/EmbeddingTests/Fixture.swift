import Embedding
import Foundation
import Safetensors
import Weights
import XCTest

/// A folder of `Tests/Fixtures`: `case.json`, `config.json`, `tensors.safetensors`.
struct Fixture {
  let path: String

  init(_ name: String) {
    path =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/\(name)").path
  }

  func json(_ file: String) throws -> JSONValue {
    try JSONValue(parsing: Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
  }

  func floats(_ tensor: String) throws -> [Float] {
    try MappedSafetensors(path: path + "/tensors.safetensors").tensor(tensor).floats()
  }

  func integers(_ tensor: String) throws -> [Int] {
    let file = try MappedSafetensors(path: path + "/tensors.safetensors")
    let entry = try XCTUnwrap(file.entry(tensor))
    return try file.withBytes(of: entry) { $0.withMemoryRebound(to: Int64.self) { $0.map { Int($0) } } }
  }

  func weights(_ file: String = "weights.safetensors") throws -> [String: StoredTensor] {
    let weights = try MappedSafetensors(path: path + "/" + file)
    return Dictionary(
      uniqueKeysWithValues: try weights.entries.map { ($0.name, try weights.tensor($0.name)) })
  }
}

/// The folder of all-MiniLM-L6-v2, where `make test` has fetched it.
func miniLMFolder() throws -> String {
  let environment = ProcessInfo.processInfo.environment
  let cache =
    environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    ?? (environment["HOME"] ?? "") + "/.cache"
  let folder = cache + "/memlong/models/minilm"
  guard FileManager.default.fileExists(atPath: folder + "/model.safetensors") else {
    throw XCTSkip("no model in \(folder)")
  }
  return folder
}

/// max |a - b|; infinite when the counts differ.
func maximumDifference(_ a: [Float], _ b: [Float]) -> Float {
  a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
}

/// The least cosine of rows of `width`.
func leastCosine(_ a: [Float], _ b: [Float], width: Int) -> Double {
  stride(from: 0, to: a.count, by: width).map { first in
    let (x, y) = (a[first..<first + width].map(Double.init), b[first..<first + width].map(Double.init))
    func dot(_ p: [Double], _ q: [Double]) -> Double { zip(p, q).map(*).reduce(0, +) }
    return dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
  }.min() ?? 0
}

extension XCTestCase {
  /// The one-line message of an error that must be thrown.
  func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      XCTFail("no error")
      return ""
    } catch {
      XCTAssertFalse("\(error)".contains("\n"), "more than one line: \(error)")
      return "\(error)"
    }
  }
}
