import Safetensors
import ShardIO

/// A shard reader that insists on one kind, and on streams whose parameters agree.
final class KindReader {
  private let reader: ShardReader
  let kind: Kind
  private let common: [String: String]
  private var pending: ShardBlock?
  /// Block 0 of the first stream.
  let first: ShardBlock

  /// Reads block 0. A nil kind takes whichever it finds.
  ///
  /// - Parameter readsAhead: as for `ShardReader`.
  init(sources: [any ByteSource], kind expected: Kind?, readsAhead: Bool = false) throws {
    reader = ShardReader(sources: sources, readsAhead: readsAhead)
    guard let block = try reader.next() else { throw ShardError("empty") }
    if let expected, block.kind != expected.rawValue {
      throw block.error("expected \(expected.rawValue), found \(shown(block.kind))")
    }
    guard let kind = Kind(rawValue: block.kind) else {
      throw block.error("unknown kind \(shown(block.kind))")
    }
    self.kind = kind
    first = block
    common = block.parameters.filter { isShared(parameter: $0.key) }
    pending = block
  }

  var digest: Digest { reader.digest }

  /// The next block; the first call returns `first`.
  func next() throws -> ShardBlock? {
    if let block = pending {
      pending = nil
      return block
    }
    guard let block = try reader.next() else { return nil }
    if block.index == 0 { try compare(block) }
    return block
  }

  /// Streams of one concatenation agree in all that is not about their own data.
  private func compare(_ block: ShardBlock) throws {
    let own = block.parameters.filter { isShared(parameter: $0.key) }
    for key in Set(own.keys).union(common.keys).sorted() where own[key] != common[key] {
      throw block.error(
        "\(key) is \(shown(own[key] ?? "missing")), "
          + "in the stream before \(shown(common[key] ?? "missing"))")
    }
  }
}

/// Whether streams that are concatenated must agree in a parameter: in all but those that name
/// their own data.
public func isShared(parameter key: String) -> Bool {
  !(key.hasSuffix("_digest") || key == "sources" || key == "chunk_rows")
}

/// Text from a file as a message shows it: short, on one line.
func shown(_ text: String) -> String {
  let scalars = text.unicodeScalars.prefix(60).map { $0.value < 0x20 ? "?" : $0 }
  return String(String.UnicodeScalarView(scalars)) + (text.unicodeScalars.count > 60 ? "…" : "")
}

// MARK: - Parameters

extension ShardBlock {
  func string(_ key: String) throws -> String {
    guard let text = parameters[key] else { throw error("parameter \(key) is missing") }
    return text
  }

  /// One of the words given.
  func string(_ key: String, among words: [String]) throws -> String {
    let text = try string(key)
    guard words.contains(text) else {
      throw error("parameter \(key) is \(shown(text)), not \(words.joined(separator: " or "))")
    }
    return text
  }

  /// A decimal parameter; nil where it is missing.
  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let text = parameters[key] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw error("parameter \(key) is \(shown(text)), not a number in \(range)")
    }
    return value
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int {
    guard let value = try optionalInteger(key, in: range) else {
      throw error("parameter \(key) is missing")
    }
    return value
  }

  /// A digest; nil where the text is empty.
  func optionalDigest(_ key: String) throws -> Digest? {
    let text = try string(key)
    if text.isEmpty { return nil }
    guard let digest = Digest(hexadecimal: text) else {
      throw error("parameter \(key) is \(shown(text)), not a digest")
    }
    return digest
  }

  func digest(_ key: String) throws -> Digest {
    guard let digest = try optionalDigest(key) else { throw error("parameter \(key) is empty") }
    return digest
  }

  func json(_ key: String) throws -> JSONValue {
    guard let value = try? JSONValue(parsing: try string(key)) else {
      throw error("parameter \(key) is not JSON")
    }
    return value
  }
}

// MARK: - Tensors

extension ShardBlock {
  /// An error that names the `row`th of this block's rows.
  func error(_ reason: String, atRow row: Int) -> ShardError {
    error("\(reason) at row \(firstRow + row)")
  }

  /// A tensor of one of these types and exactly this shape; nil stands for any extent.
  func tensor(_ name: String, _ types: ElementType..., shape: [Int?]) throws -> ShardTensor {
    try tensor(name, among: types, shape: shape)
  }

  private func tensor(
    _ name: String, among types: [ElementType], shape: [Int?]
  ) throws -> ShardTensor {
    guard let tensor = self[name] else { throw error("tensor \(name) is missing") }
    guard types.contains(tensor.type) else {
      let expected = types.map(\.rawValue).joined(separator: " or ")
      throw error("tensor \(name) is \(tensor.type.rawValue), where \(expected) is expected")
    }
    let fits =
      tensor.shape.count == shape.count
      && zip(tensor.shape, shape).allSatisfy { $1 == nil || $0 == $1 }
    guard fits else {
      let expected = shape.map { $0.map(String.init) ?? "?" }.joined(separator: ", ")
      throw error("tensor \(name) has shape \(tensor.shape), where [\(expected)] is expected")
    }
    return tensor
  }

  /// Offsets `[n + 1]` that start at 0, never fall and end at `count`.
  func offsets(_ name: String, count: Int) throws -> [Int] {
    let offsets = try tensor(name, .I64, shape: [rows + 1]).copy(as: Int.self)
    guard offsets.first == 0, offsets.last == count else {
      throw error("\(name) do not run from 0 to \(count)")
    }
    for index in 1..<offsets.count where offsets[index] < offsets[index - 1] {
      throw error("\(name) fall at row \(firstRow + index - 1)")
    }
    return offsets
  }

  /// Values that must not be negative.
  func natural<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ name: String, _ type: ElementType, as element: Integer.Type, below limit: Integer = .max
  ) throws -> [Integer] {
    let values = try tensor(name, type, shape: [rows]).copy(as: element)
    for (index, value) in values.enumerated() where value < 0 || value >= limit {
      throw error("\(name) is \(value) at row \(firstRow + index)")
    }
    return values
  }

  /// A tensor of floating-point numbers that are all finite.
  func finite(_ name: String, _ types: ElementType..., shape: [Int?]) throws -> ShardTensor {
    let tensor = try tensor(name, among: types, shape: shape)
    guard areFinite(tensor) else { throw error("\(name) hold a value that is not finite") }
    return tensor
  }
}
