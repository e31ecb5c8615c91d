/// Where the entries of a zip file lie that are stored as they are, without compression.
///
/// 64-bit sizes and offsets are read, as torch writes them for checkpoints above 4 GB. Format: PKWARE's
/// APPNOTE.TXT 6.3.10.
struct ZipDirectory {
  /// The bytes of each entry in the file.
  let entries: [String: Range<Int>]

  /// - Throws: `WeightsError` for a file that is no zip, is cut short, or has a compressed or encrypted
  ///   entry. Nothing is read beyond the file.
  init(_ file: MappedFile) throws {
    let reader = ZipReader(file: file)
    let directory = try reader.directory()
    var entries: [String: Range<Int>] = [:]
    var position = directory.range.lowerBound
    for _ in 0..<directory.count {
      let entry = try reader.entry(at: position, before: directory.range.upperBound)
      let range = try reader.data(of: entry, before: directory.range.lowerBound)
      guard entries.updateValue(range, forKey: entry.name) == nil else {
        throw WeightsError(file.path, "zip entry \(entry.name) occurs twice")
      }
      position = entry.end
    }
    self.entries = entries
  }

  /// Whether the file starts as a zip does.
  static func isZip(_ file: MappedFile) -> Bool {
    file.withBytes { $0.starts(with: [0x50, 0x4b, 3, 4]) }
  }
}

private struct ZipReader {
  struct Entry {
    var name: String
    var size: UInt64
    var storedSize: UInt64
    var offset: UInt64
    /// Where the next entry of the directory starts.
    var end: Int
  }

  let file: MappedFile

  func failure(_ message: String) -> WeightsError { WeightsError(file.path, "zip: \(message)") }

  func read<T: FixedWidthInteger>(_ type: T.Type, _ offset: Int) throws -> T {
    guard offset >= 0, offset <= file.count - MemoryLayout<T>.size else {
      throw failure("a field at byte \(offset) of \(file.count)")
    }
    return file.withBytes {
      T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
  }

  /// The central directory: its bytes and the number of its entries.
  func directory() throws -> (range: Range<Int>, count: Int) {
    let end = try endRecord()
    var count = UInt64(try read(UInt16.self, end + 10))
    var size = UInt64(try read(UInt32.self, end + 12))
    var offset = UInt64(try read(UInt32.self, end + 16))
    if end >= 20, try read(UInt32.self, end - 20) == 0x0706_4b50 {
      let stored = try read(UInt64.self, end - 12)
      guard let wide = Int(exactly: stored), wide <= end - 56,
        try read(UInt32.self, wide) == 0x0606_4b50
      else { throw failure("the 64-bit end record is not where it should be") }
      count = try read(UInt64.self, wide + 32)
      size = try read(UInt64.self, wide + 40)
      offset = try read(UInt64.self, wide + 48)
    }
    guard size <= UInt64(end), offset <= UInt64(end) - size else {
      throw failure("a directory of \(size) bytes at \(offset) in a file of \(file.count)")
    }
    guard count <= size / 46 else {
      throw failure("\(count) entries in a directory of \(size) bytes")
    }
    return (Int(offset)..<Int(offset + size), Int(count))
  }

  /// Where the end record starts: the last 22 bytes, unless a comment follows.
  private func endRecord() throws -> Int {
    var position = file.count - 22
    while position >= max(0, file.count - 22 - 65535) {
      if try read(UInt32.self, position) == 0x0605_4b50 { return position }
      position -= 1
    }
    throw failure("no end record: the file is cut short or no zip")
  }

  func entry(at position: Int, before end: Int) throws -> Entry {
    guard position <= end - 46, try read(UInt32.self, position) == 0x0201_4b50 else {
      throw failure("no directory entry at byte \(position)")
    }
    let nameLength = Int(try read(UInt16.self, position + 28))
    let extraLength = Int(try read(UInt16.self, position + 30))
    let commentLength = Int(try read(UInt16.self, position + 32))
    let nameStart = position + 46
    let extra = nameStart + nameLength..<nameStart + nameLength + extraLength
    guard extra.upperBound <= end - commentLength else {
      throw failure("the directory entry at byte \(position) is cut short")
    }
    let text = file.withBytes {
      String(validating: $0[nameStart..<extra.lowerBound], as: UTF8.self)
    }
    guard let name = text else { throw failure("a name at byte \(nameStart) is not UTF-8") }
    guard try read(UInt16.self, position + 8) & 1 == 0 else {
      throw failure("\(name) is encrypted")
    }
    guard try read(UInt16.self, position + 10) == 0 else {
      throw failure("\(name) is compressed; torch stores its checkpoints uncompressed")
    }
    var entry = Entry(
      name: name, size: UInt64(try read(UInt32.self, position + 24)),
      storedSize: UInt64(try read(UInt32.self, position + 20)),
      offset: UInt64(try read(UInt32.self, position + 42)), end: extra.upperBound + commentLength)
    try widen(&entry, extra)
    guard entry.size == entry.storedSize else {
      throw failure("\(name) takes \(entry.storedSize) bytes, uncompressed \(entry.size)")
    }
    return entry
  }

  /// Sizes and offset that do not fit 32 bits stand in the extra field 1, in this order.
  private func widen(_ entry: inout Entry, _ extra: Range<Int>) throws {
    let narrow = UInt64(UInt32.max)
    guard entry.size == narrow || entry.storedSize == narrow || entry.offset == narrow else {
      return
    }
    var position = extra.lowerBound
    while position <= extra.upperBound - 4 {
      let field = position + 4..<position + 4 + Int(try read(UInt16.self, position + 2))
      guard field.upperBound <= extra.upperBound else { break }
      if try read(UInt16.self, position) == 1 {
        var next = field.lowerBound
        for path in [\Entry.size, \.storedSize, \.offset] where entry[keyPath: path] == narrow {
          guard next <= field.upperBound - 8 else {
            throw failure("\(entry.name): the 64-bit sizes are cut short")
          }
          entry[keyPath: path] = try read(UInt64.self, next)
          next += 8
        }
        return
      }
      position = field.upperBound
    }
    throw failure("\(entry.name): no 64-bit sizes")
  }

  /// The bytes of an entry, which follow its local header.
  func data(of entry: Entry, before end: Int) throws -> Range<Int> {
    guard let header = Int(exactly: entry.offset), header <= end - 30,
      try read(UInt32.self, header) == 0x0403_4b50
    else { throw failure("\(entry.name) is not at byte \(entry.offset)") }
    let start =
      header + 30 + Int(try read(UInt16.self, header + 26))
      + Int(try read(UInt16.self, header + 28))
    guard let size = Int(exactly: entry.size), start <= end, size <= end - start else {
      throw failure("\(entry.name): \(entry.size) bytes at \(start) leave the file")
    }
    return start..<start + size
  }
}
