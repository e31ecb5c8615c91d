import Foundation
import Modeling
import Safetensors
import TestSupport
import Weights

/// A fixture's decoder and the tensors that an independent program computed with it.
struct FixtureModel {
  let decoder: Decoder
  let tensors: MappedSafetensors
  let configuration: JSONValue

  /// - Parameter weights: the fixtures whose weights make the model's, where it does not have all of
  ///   its own; of a tensor that several have, the first counts.
  init(
    _ name: String, weights: [String]? = nil, memory: MemoryConfiguration? = nil,
    residency: WeightResidency = .expanded, threads: Int = 2
  ) throws {
    let folder = try modelFolder(
      configuration: name, weights: weights ?? [name])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try ModelFiles.open(path: folder)
    configuration = files.configuration
    decoder = try Decoder(
      files: files, memory: memory, residency: residency, compute: Compute(threads: threads))
    tensors = try MappedSafetensors(path: fixture("\(name)/tensors.safetensors"))
  }

  /// The memory configuration that the fixture's config.json names with the published fields.
  static func publishedMemory(_ name: String) throws -> MemoryConfiguration {
    try MemoryConfiguration(published: try fixtureJSON("\(name)/config.json"))
  }

  func has(_ name: String) -> Bool { tensors.entry(name) != nil }

  func floats(_ name: String) throws -> [Float] { try tensors.tensor(name).floats() }

  /// Row `row` of a tensor whose first dimension counts the batch's rows.
  func floats(_ name: String, row: Int) throws -> [Float] {
    guard let rows = tensors.entry(name)?.shape.first else { throw ModelError("no tensor \(name)") }
    let all = try floats(name)
    let width = all.count / rows
    return Array(all[row * width..<(row + 1) * width])
  }

  /// Row `row` of an integer tensor [rows, n].
  func integers(_ name: String, row: Int = 0) throws -> [Int] {
    guard let entry = tensors.entry(name) else { throw ModelError("\(name) is missing") }
    let bytes = try tensors.bytes(entry)
    let width = entry.shape.last ?? 1
    return (0..<width).map { index in
      let position = row * width + index
      return entry.type == .I32
        ? Int(bytes.loadUnaligned(fromByteOffset: position * 4, as: Int32.self))
        : Int(bytes.loadUnaligned(fromByteOffset: position * 8, as: Int64.self))
    }
  }

  func tokens(_ name: String, row: Int = 0) throws -> [Int32] {
    try integers(name, row: row).map(Int32.init)
  }
}

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var largest: Float = 0
  for (x, y) in zip(a, b) {
    guard !(x - y).isNaN else { return .infinity }
    largest = max(largest, abs(x - y))
  }
  return largest
}
