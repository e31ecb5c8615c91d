import Foundation
import Safetensors

/// The folder of the fixtures that the tests carry.
public let fixturesFolder = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures")

/// The path of a fixture: `fixture("memlong-zero/tensors.safetensors")`.
public func fixture(_ name: String) -> String { fixturesFolder.appendingPathComponent(name).path }

/// The bytes of a fixture.
public func fixtureBytes(_ name: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture(name))))
}

/// A fixture that is JSON.
public func fixtureJSON(_ name: String) throws -> JSONValue {
  try JSONValue(parsing: fixtureBytes(name))
}

/// The tensors of a safetensors file, by name.
public struct Tensors {
  public struct Tensor {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    let bytes: [UInt8]
  }

  public let metadata: [String: String]
  public let tensors: [String: Tensor]

  /// Reads a fixture.
  public init(fixture name: String) throws { try self.init(bytes: fixtureBytes(name)) }

  public init(path: String) throws {
    try self.init(bytes: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
  }

  public init(bytes: [UInt8]) throws {
    let header = try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0) }
    metadata = header.metadata
    tensors = Dictionary(
      uniqueKeysWithValues: header.tensors.map { entry in
        let start = header.dataOffset + entry.range.lowerBound
        let tensor = Tensor(
          name: entry.name, type: entry.type, shape: entry.shape,
          bytes: Array(bytes[start..<start + entry.range.count]))
        return (entry.name, tensor)
      })
  }

  public var names: [String] { tensors.keys.sorted() }

  public func shape(_ name: String) throws -> [Int] { try tensor(name).shape }

  /// F64, F32, F16 or BF16 values as Float.
  public func floats(_ name: String) throws -> [Float] {
    let tensor = try tensor(name)
    switch tensor.type {
    case .F32: return elements(tensor, as: Float.self)
    case .F64: return elements(tensor, as: Double.self).map { Float($0) }
    case .F16: return elements(tensor, as: Float16.self).map { Float($0) }
    case .BF16:
      return elements(tensor, as: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    default: throw SafetensorsError("\(name) holds \(tensor.type.rawValue), no floats")
    }
  }

  /// Integers or booleans of any width.
  public func integers(_ name: String) throws -> [Int64] {
    let tensor = try tensor(name)
    switch tensor.type {
    case .I64: return elements(tensor, as: Int64.self)
    case .I32: return elements(tensor, as: Int32.self).map { Int64($0) }
    case .I16: return elements(tensor, as: Int16.self).map { Int64($0) }
    case .I8: return elements(tensor, as: Int8.self).map { Int64($0) }
    case .U16: return elements(tensor, as: UInt16.self).map { Int64($0) }
    case .U32: return elements(tensor, as: UInt32.self).map { Int64($0) }
    case .U8, .BOOL: return elements(tensor, as: UInt8.self).map { Int64($0) }
    default: throw SafetensorsError("\(name) holds \(tensor.type.rawValue), no integers")
    }
  }

  public func tensor(_ name: String) throws -> Tensor {
    guard let tensor = tensors[name] else { throw SafetensorsError("no tensor \(name)") }
    return tensor
  }

  private func elements<Element: BitwiseCopyable>(
    _ tensor: Tensor, as type: Element.Type
  ) -> [Element] {
    let count = tensor.bytes.count / MemoryLayout<Element>.size
    return [Element](unsafeUninitializedCapacity: count) { target, filled in
      UnsafeMutableRawBufferPointer(target).copyBytes(from: tensor.bytes)
      filled = count
    }
  }
}
