/// Writes zip files and pickles as torch does, well-formed or not.
struct CheckpointBuilder {
  /// 64-bit sizes and offsets, as torch writes them above 4 GB.
  var isWide = false
  var method: UInt16 = 0
  private(set) var entries: [(name: String, content: [UInt8])] = []

  /// A checkpoint of a pickle and storages.
  init(pickle: [UInt8], storages: [[UInt8]] = [], order: String? = "little") {
    add("m/data.pkl", pickle)
    if let order { add("m/byteorder", Array(order.utf8)) }
    for (index, storage) in storages.enumerated() { add("m/data/\(index)", storage) }
  }

  mutating func add(_ name: String, _ content: [UInt8]) { entries.append((name, content)) }

  var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, content) in entries {
      let (size, offset) = (UInt64(content.count), UInt64(file.count))
      let text = Array(name.utf8)
      let narrow = isWide ? UInt32.max : UInt32(size)
      let sizes = littleEndian(narrow) + littleEndian(narrow)
      let common = littleEndian(UInt16(0)) + littleEndian(method) + [UInt8](repeating: 0, count: 8)
      file += [0x50, 0x4b, 3, 4, 45, 0] + common + sizes
      file += littleEndian(UInt16(text.count)) + [8, 0] + text + [0x46, 0x42, 4, 0, 0, 0, 0, 0]
      file += content
      let extra =
        isWide
        ? [1, 0, 24, 0] + littleEndian(size) + littleEndian(size) + littleEndian(offset) : []
      directory += [0x50, 0x4b, 1, 2, 45, 0, 45, 0] + common + sizes
      directory += littleEndian(UInt16(text.count)) + littleEndian(UInt16(extra.count))
      directory += [UInt8](repeating: 0, count: 10)
      directory += littleEndian(isWide ? UInt32.max : UInt32(offset)) + text + extra
    }
    return file + directory + ends(start: file.count, directory: directory.count)
  }

  private func ends(start: Int, directory: Int) -> [UInt8] {
    let count = UInt64(entries.count)
    var end: [UInt8] = []
    if isWide {
      end += [0x50, 0x4b, 6, 6] + littleEndian(UInt64(44)) + [45, 0, 45, 0]
      end += [UInt8](repeating: 0, count: 8) + littleEndian(count) + littleEndian(count)
      end += littleEndian(UInt64(directory)) + littleEndian(UInt64(start))
      end +=
        [0x50, 0x4b, 6, 7, 0, 0, 0, 0] + littleEndian(UInt64(start + directory)) + [1, 0, 0, 0]
    }
    end += [0x50, 0x4b, 5, 6, 0, 0, 0, 0]
    end += littleEndian(isWide ? .max : UInt16(count)) + littleEndian(isWide ? .max : UInt16(count))
    end += littleEndian(isWide ? .max : UInt32(directory))
    return end + littleEndian(isWide ? .max : UInt32(start)) + [0, 0]
  }
}

/// Pickle opcodes by hand, protocol 2.
enum Pickle {
  static func dictionary(_ items: [UInt8]) -> [UInt8] {
    [0x80, 2, 0x7d, 0x28] + items + Array("u.".utf8)
  }

  static func text(_ string: String) -> [UInt8] {
    [0x58] + littleEndian(UInt32(string.utf8.count)) + string.utf8
  }

  static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  static func integer(_ value: Int32) -> [UInt8] { [0x4a] + littleEndian(value) }

  static func tuple(_ elements: [[UInt8]]) -> [UInt8] { [0x28] + elements.joined() + [0x74] }

  static let emptyOrderedDictionary = global("collections", "OrderedDict") + Array(")R".utf8)

  static func storage(_ type: String, _ key: String, count: Int32) -> [UInt8] {
    tuple([
      text("storage"), global("torch", type), text(key), text("cpu"), integer(count),
    ]) + [0x51]
  }

  static func tensor(
    _ storage: [UInt8], offset: Int32 = 0, shape: [Int32], strides: [Int32],
    hooks: [UInt8] = emptyOrderedDictionary
  ) -> [UInt8] {
    let arguments = [
      storage, integer(offset), tuple(shape.map(integer)), tuple(strides.map(integer)), [0x89],
      hooks,
    ]
    return global("torch._utils", "_rebuild_tensor_v2") + tuple(arguments) + [0x52]
  }
}
