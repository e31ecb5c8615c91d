import Safetensors

/// Reads the pickle of a dictionary of tensors, as `torch.save(model.state_dict())` writes it, and
/// nothing else.
///
/// The opcodes are interpreted into `PickleValue`; no name is looked up and nothing is called. An opcode
/// or a name that such a dictionary does not need is refused. Opcodes: Python's `pickletools`.
struct PickleReader {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private var position = 0
  private var opcodeStart = 0
  private var stack: [PickleValue] = []
  /// Stack sizes at the marks.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]

  /// More than a batch of Python's pickler needs (1000 pairs) at each of a few levels.
  private static let deepestStack = 1 << 16
  private static let deepestNesting = 16
  /// A tensor takes some 200 bytes.
  private static let longestPickle = 64 << 20

  /// The tensors by name, in the file's order.
  /// - Parameter bytes: valid until it returns.
  /// - Throws: `WeightsError` naming what is no part of a tensor dictionary.
  static func tensors(
    _ bytes: UnsafeRawBufferPointer, path: String
  ) throws -> [(name: String, tensor: TorchTensor)] {
    var reader = PickleReader(bytes: bytes, path: path)
    guard bytes.count <= longestPickle else {
      throw WeightsError(path, "a pickle of \(bytes.count) bytes, more than \(longestPickle)")
    }
    guard case .dictionary(let dictionary) = try reader.run() else {
      throw WeightsError(path, "the pickle is not a dictionary of tensors")
    }
    return try dictionary.items.map { name, value in
      guard case .tensor(let tensor) = value else {
        throw WeightsError(path, "\(name) is not a tensor; only dictionaries of tensors are read")
      }
      return (name, tensor)
    }
  }

  private init(bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  // MARK: Input

  private func failure(_ message: String) -> WeightsError {
    WeightsError(path, "pickle, byte \(opcodeStart): \(message)")
  }

  private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count <= bytes.count - position else { throw failure("cut short") }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> Int {
    let value = T(littleEndian: try take(MemoryLayout<T>.size).loadUnaligned(as: T.self))
    guard let integer = Int(exactly: value) else { throw failure("\(value) is too large") }
    return integer
  }

  private mutating func text(_ length: Int) throws -> String {
    let raw = try take(length)
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw failure("a string that is not UTF-8")
    }
    return text
  }

  private mutating func line() throws -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0a) else { throw failure("cut short") }
    defer { position += 1 }
    return try text(end - position)
  }

  // MARK: The machine

  private mutating func run() throws -> PickleValue {
    while true {
      opcodeStart = position
      let code = UInt8(try integer(UInt8.self))
      guard let opcode = PickleOpcode(rawValue: code) else {
        throw failure(
          "opcode \(PickleOpcode.name(code)) is no part of a dictionary of tensors")
      }
      if opcode == .stop { return try pop() }
      if let value = try literal(opcode) {
        stack.append(value)
      } else {
        try execute(opcode)
      }
      guard stack.count + marks.count <= Self.deepestStack else {
        throw failure("more than \(Self.deepestStack) values on the stack")
      }
    }
  }

  /// The value that an opcode stands for by itself.
  private mutating func literal(_ opcode: PickleOpcode) throws -> PickleValue? {
    switch opcode {
    case .none: return PickleValue.none
    case .newTrue: return .bool(true)
    case .newFalse: return .bool(false)
    case .binInt: return .integer(try integer(Int32.self))
    case .binInt1: return .integer(try integer(UInt8.self))
    case .binInt2: return .integer(try integer(UInt16.self))
    case .long1: return .integer(try long(integer(UInt8.self)))
    case .binUnicode: return .string(try text(integer(UInt32.self)))
    case .shortBinUnicode: return .string(try text(integer(UInt8.self)))
    case .emptyTuple: return .tuple([], nesting: 1)
    case .emptyDict: return .dictionary(PickleDictionary())
    case .global: return .global(try global(module: line(), name: line()))
    default: return nil
    }
  }

  /// A two's complement integer of `count` bytes, little-endian.
  private mutating func long(_ count: Int) throws -> Int {
    guard count <= 8 else { throw failure("an integer of \(count) bytes") }
    let raw = try take(count)
    var value = raw.last.map { $0 >= 0x80 ? -1 : 0 } ?? 0
    for byte in raw.reversed() { value = value << 8 | Int(byte) }
    return value
  }

  private func global(module: String, name: String) throws -> PickleGlobal {
    guard let global = PickleGlobal("\(module).\(name)") else {
      throw failure(
        "\(module).\(name) is no part of a dictionary of tensors (nothing was called)")
    }
    return global
  }

  private mutating func execute(_ opcode: PickleOpcode) throws {
    switch opcode {
    case .proto:
      let version = try integer(UInt8.self)
      guard (2...5).contains(version) else { throw failure("pickle protocol \(version)") }
    case .frame: _ = try take(8)
    case .mark: marks.append(stack.count)
    case .binPut: try remember(integer(UInt8.self))
    case .longBinPut: try remember(integer(UInt32.self))
    case .memoize: try remember(memo.count)
    case .binGet: try recall(integer(UInt8.self))
    case .longBinGet: try recall(integer(UInt32.self))
    case .tuple: try pushTuple(popMarked())
    case .tuple1: try pushTuple(pop(1))
    case .tuple2: try pushTuple(pop(2))
    case .tuple3: try pushTuple(pop(3))
    case .setItem: try setItems(pop(2))
    case .setItems: try setItems(popMarked())
    case .stackGlobal:
      let names = try pop(2).compactMap(\.stringValue)
      guard names.count == 2 else { throw failure("STACK_GLOBAL without two names") }
      stack.append(.global(try global(module: names[0], name: names[1])))
    case .binPersId: stack.append(.storage(try storage(pop())))
    case .reduce:
      let parts = try pop(2)
      stack.append(try rebuild(parts[0], parts[1]))
    case .build: try build(pop())
    default: throw failure("opcode \(opcode)")
    }
  }

  private mutating func pop() throws -> PickleValue { try pop(1)[0] }

  /// The topmost values, the lowest first. Never below the last mark.
  private mutating func pop(_ count: Int) throws -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else { throw failure("nothing on the stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popMarked() throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw failure("no mark") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func remember(_ index: Int) throws {
    guard stack.count > marks.last ?? 0, let top = stack.last else {
      throw failure("nothing on the stack")
    }
    memo[index] = top
  }

  private mutating func recall(_ index: Int) throws {
    guard let value = memo[index] else { throw failure("no value number \(index)") }
    stack.append(value)
  }

  // MARK: Containers

  /// Marks values as parts of another one, and tells its nesting.
  private func hold(_ values: [PickleValue]) throws -> Int {
    for case .dictionary(let dictionary) in values { dictionary.isHeld = true }
    let nesting = 1 + (values.map(\.nesting).max() ?? 0)
    guard nesting <= Self.deepestNesting else {
      throw failure("nested deeper than \(Self.deepestNesting)")
    }
    return nesting
  }

  private mutating func pushTuple(_ elements: [PickleValue]) throws {
    stack.append(.tuple(elements, nesting: try hold(elements)))
  }

  private mutating func setItems(_ pairs: [PickleValue]) throws {
    guard stack.count > marks.last ?? 0, case .dictionary(let dictionary)? = stack.last,
      pairs.count.isMultiple(of: 2)
    else { throw failure("items for something that is no dictionary") }
    let nesting = try hold(pairs)
    guard !dictionary.isHeld else { throw failure("a dictionary that grows after its use") }
    dictionary.nesting = max(dictionary.nesting, nesting)
    for index in stride(from: 0, to: pairs.count, by: 2) {
      guard let key = pairs[index].stringValue else { throw failure("a key that is no string") }
      dictionary.items.append((key, pairs[index + 1]))
    }
  }

  /// The state that `state_dict()` gives its dictionary: `_metadata`, the modules' versions.
  private mutating func build(_ state: PickleValue) throws {
    guard case .dictionary? = stack.last, case .dictionary(let fields) = state,
      fields.items.allSatisfy({ $0.key == "_metadata" })
    else { throw failure("BUILD with something else than _metadata") }
  }

  // MARK: Tensors

  /// `('storage', type, key, location, count)`; the location (cpu, cuda:0) does not matter.
  private func storage(_ value: PickleValue) throws -> TorchStorage {
    guard case .tuple(let parts, _) = value, parts.count == 5, parts[0].stringValue == "storage",
      case .global(.storageType(let type)) = parts[1], let key = parts[2].stringValue,
      let count = parts[4].integerValue, count >= 0
    else { throw failure("a persistent object that is no storage") }
    return TorchStorage(type: type, key: key, count: count)
  }

  private func rebuild(_ callee: PickleValue, _ value: PickleValue) throws -> PickleValue {
    guard case .global(let global) = callee, case .tuple(let arguments, _) = value else {
      throw failure("REDUCE of something that is no name")
    }
    switch global {
    case .orderedDictionary:
      guard arguments.isEmpty else { throw failure("OrderedDict with arguments") }
      return .dictionary(PickleDictionary())
    case .rebuildTensor: return .tensor(try tensor(arguments))
    case .rebuildParameter:
      guard arguments.count == 3, case .tensor = arguments[0], arguments[2].isEmptyDictionary
      else { throw failure("_rebuild_parameter: not a tensor, a flag and no hooks") }
      return arguments[0]
    case .storageType: throw failure("REDUCE of a storage type")
    }
  }

  /// `(storage, offset, shape, strides, requires gradient, no hooks)`, and perhaps no metadata.
  private func tensor(_ arguments: [PickleValue]) throws -> TorchTensor {
    guard (6...7).contains(arguments.count), case .storage(let storage) = arguments[0],
      let offset = arguments[1].integerValue, let shape = arguments[2].countsValue,
      let strides = arguments[3].countsValue, case .bool = arguments[4],
      arguments[5].isEmptyDictionary
    else { throw failure("_rebuild_tensor_v2: not a storage, offset, shape, strides, no hooks") }
    if arguments.count == 7 {
      guard case .none = arguments[6] else {
        throw failure("_rebuild_tensor_v2: tensor metadata are not supported")
      }
    }
    guard
      let tensor = TorchTensor(storage: storage, offset: offset, shape: shape, strides: strides)
    else {
      throw failure(
        "shape \(shape), strides \(strides) at \(offset) do not fit a storage of \(storage.count)")
    }
    return tensor
  }
}
