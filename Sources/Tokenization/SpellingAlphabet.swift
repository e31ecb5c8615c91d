/// The symbols that merging begins with: how a vocabulary spells text before any merge.
struct SpellingAlphabet: Sendable {
  private enum Unit: Sendable {
    case bytes
    case characters(ByteStringTable)
  }

  private let unit: Unit
  /// By byte: the id of each of the 256 bytes, negative where there is none.
  private let idOfByte: [Int32]
  /// By ASCII character, negative where there is none.
  private let idOfASCII: [Int32]
  private let unknown: Int32?
  private let fusesUnknown: Bool

  /// Every byte is a symbol. One that the vocabulary lacks is `unknown`, or left out.
  init(idOfByte: [Int32], unknown: Int32?, fusesUnknown: Bool) {
    unit = .bytes
    self.idOfByte = idOfByte
    idOfASCII = []
    self.unknown = unknown
    self.fusesUnknown = fusesUnknown
  }

  /// Every character is a symbol. One that the vocabulary lacks is its bytes where it has all of them
  /// (`<0x0A>`; `idOfByte` is negative where it has not), else `unknown`, or left out.
  init(characters: ByteStringTable, idOfByte: [Int32], unknown: Int32?, fusesUnknown: Bool) {
    unit = .characters(characters)
    self.idOfByte = idOfByte
    idOfASCII = (UInt8(0)..<0x80).map { byte in
      [byte].withUnsafeBufferPointer { characters.id($0) }
    }
    self.unknown = unknown
    self.fusesUnknown = fusesUnknown
  }

  /// Writes the symbols of a piece of UTF-8, at most `count` of them, and returns their number.
  @inline(__always)
  func spell(
    _ piece: UnsafePointer<UInt8>, count: Int, into symbols: UnsafeMutablePointer<Int32>
  ) -> Int {
    switch unit {
    case .bytes: spellBytes(piece, count: count, into: symbols)
    case .characters(let table): spellCharacters(piece, count: count, table, into: symbols)
    }
  }

  @inline(__always)
  private func spellBytes(
    _ piece: UnsafePointer<UInt8>, count: Int, into symbols: UnsafeMutablePointer<Int32>
  ) -> Int {
    var length = 0
    var isAfterUnknown = false
    for index in 0..<count {
      let id = idOfByte[Int(piece[index])]
      if id >= 0 {
        symbols[length] = id
        length += 1
        isAfterUnknown = false
      } else if let unknown {
        if !(isAfterUnknown && fusesUnknown) {
          symbols[length] = unknown
          length += 1
        }
        isAfterUnknown = true
      }
    }
    return length
  }

  private func spellCharacters(
    _ piece: UnsafePointer<UInt8>, count: Int, _ table: ByteStringTable,
    into symbols: UnsafeMutablePointer<Int32>
  ) -> Int {
    var length = 0
    // An unknown character is written when what follows is not: so the published algorithm puts the
    // bytes of one that falls back before it.
    var isWaiting = false
    func flush() {
      guard isWaiting, let unknown else { return }
      symbols[length] = unknown
      length += 1
      isWaiting = false
    }
    var position = 0
    while position < count {
      let (id, size) = character(piece + position, table)
      if id >= 0 {
        flush()
        symbols[length] = id
        length += 1
      } else if (0..<size).allSatisfy({ idOfByte[Int(piece[position + $0])] >= 0 }) {
        for offset in 0..<size {
          symbols[length] = idOfByte[Int(piece[position + offset])]
          length += 1
        }
      } else {
        if !fusesUnknown { flush() }
        isWaiting = true
      }
      position += size
    }
    flush()
    return length
  }

  @inline(__always)
  private func character(
    _ start: UnsafePointer<UInt8>, _ table: ByteStringTable
  ) -> (id: Int32, size: Int) {
    if start[0] < 0x80 { return (idOfASCII[Int(start[0])], 1) }
    let size = UTF8Text.scalar(start, at: 0).length
    return (table.id(UnsafeBufferPointer(start: start, count: size)), size)
  }
}
