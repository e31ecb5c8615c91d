/// Builds one complete safetensors buffer: metadata, then tensors in the order they are added.
///
///     var file = SafetensorsFile(metadata: ["format": "pt"])
///     file.add("weight", .F32, [2, 3], values)
///     let bytes = file.bytes
public struct SafetensorsFile: Sendable {
  public var metadata: [String: String]
  private var entries: [(name: String, type: ElementType, shape: [Int])] = []
  private var data: [UInt8] = []

  public init(metadata: [String: String] = [:]) { self.metadata = metadata }

  /// Adds a tensor from its bytes (row-major, little-endian), whose number must fit the shape.
  public mutating func add(
    _ name: String, _ type: ElementType, _ shape: [Int], bytes: UnsafeRawBufferPointer
  ) {
    precondition(
      bytes.count == shape.reduce(type.byteWidth, *), "\(name): \(bytes.count) bytes for \(shape)")
    entries.append((name, type, shape))
    data.append(contentsOf: bytes)
  }

  /// Adds a tensor from elements of a type of the same width, for example `[Float]` for F32.
  public mutating func add<Element: BitwiseCopyable>(
    _ name: String, _ type: ElementType, _ shape: [Int], _ elements: [Element]
  ) {
    elements.withUnsafeBytes { add(name, type, shape, bytes: $0) }
  }

  /// The complete buffer.
  public var bytes: [UInt8] {
    SafetensorsHeader.encode(metadata: metadata, tensors: entries) + data
  }
}
