/// The tokens of a byte-pair vocabulary by id, before they become a tokenizer.
struct TokenList {
  /// What a token is. The raw values are GGUF's token types.
  enum Kind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// As they are spelt; empty where an id is not used.
  let tokens: [String]
  let kinds: [Kind]
  /// Ids by spelling, of the tokens that merges can make.
  let ids: ByteStringTable

  /// - Parameter isMergeable: which ids go into `ids`.
  init(
    _ tokens: [String], kinds: [Kind], isMergeable: (Int) -> Bool = { _ in true }
  ) throws {
    guard kinds.count == tokens.count else {
      throw TokenizerError("\(tokens.count) tokens but \(kinds.count) token types")
    }
    guard !tokens.isEmpty, tokens.count <= 1 << 24 else {
      throw TokenizerError("a vocabulary of \(tokens.count) tokens")
    }
    guard tokens.reduce(0, { $0 + $1.utf8.count }) < 1 << 30 else {
      throw TokenizerError("tokens of more than 1 GiB")
    }
    self.tokens = tokens
    self.kinds = kinds
    ids = ByteStringTable(minimumCapacity: tokens.count)
    for (id, token) in tokens.enumerated() where !token.isEmpty && isMergeable(id) {
      var token = token
      token.withUTF8 { ids.insert($0, id: Int32(id)) }
    }
  }

  /// - Parameter types: GGUF's; one that is not known counts as normal.
  init(
    _ tokens: [String], types: [Int], isMergeable: (Kind) -> Bool = { _ in true }
  ) throws {
    let kinds = types.map { Kind(rawValue: $0) ?? .normal }
    try self.init(tokens, kinds: kinds) { isMergeable(kinds[$0]) }
  }

  /// Negative when there is no such token.
  func id(_ token: some Collection<UInt8>) -> Int32 {
    Array(token).withUnsafeBufferPointer { ids.id($0) }
  }

  /// Control and user-defined tokens; the latter are found in text always.
  var added: [AddedToken] {
    zip(tokens, kinds).enumerated().compactMap { id, token in
      guard token.1 == .control || token.1 == .userDefined else { return nil }
      return AddedToken(
        text: Array(token.0.utf8), id: Int32(id), isSpecial: token.1 == .control)
    }
  }

  // MARK: - Symbols that merging begins with

  /// By byte, in GPT-2's spelling.
  func idsOfSpeltBytes() -> [Int32] {
    ByteAlphabet().characters.map { id(String($0).utf8) }
  }

  /// By byte, as `<0x0A>`; negative where there is none, and everywhere without `fallback`.
  func idsOfByteTokens(fallback: Bool) -> [Int32] {
    (0..<256).map { byte in
      guard fallback else { return -1 }
      let digits = String(byte, radix: 16, uppercase: true)
      return id("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)
    }
  }

  /// Tokens that merges make, by the bytes that they are in GPT-2's spelling.
  func wholePieces() -> ByteStringTable {
    let alphabet = ByteAlphabet()
    let table = ByteStringTable(minimumCapacity: tokens.count)
    for (id, token) in tokens.enumerated() where kinds[id] == .normal {
      var bytes = [UInt8]()
      alphabet.append(token, to: &bytes)
      bytes.withUnsafeBufferPointer { table.insert($0, id: Int32(id)) }
    }
    return table
  }

  // MARK: - What they decode to

  /// Bytes in GPT-2's spelling, control and user-defined tokens as they stand.
  func byteLevelTable() -> TokenTable {
    let alphabet = ByteAlphabet()
    var table = TokenTable()
    for (token, kind) in zip(tokens, kinds) {
      var bytes = [UInt8]()
      if kind == .control || kind == .userDefined {
        bytes = Array(token.utf8)
      } else {
        alphabet.append(token, to: &bytes)
      }
      table.append(bytes, isSpecial: kind == .control)
    }
    return table
  }

  /// Characters, with the mark for a space and `<0x0A>` for a byte.
  func spaceMarkTable(mark: [UInt8]?, bytes: [Int32]) -> TokenTable {
    var byteOfToken = [Int32: UInt8]()
    for (byte, id) in bytes.enumerated() where id >= 0 { byteOfToken[id] = UInt8(byte) }
    let spaces = mark.map { TextNormalizer(steps: [.replace(.literal($0), [0x20])]) }
    var table = TokenTable()
    for (id, (token, kind)) in zip(tokens, kinds).enumerated() {
      var text = Array(token.utf8)
      if let byte = byteOfToken[Int32(id)] {
        text = [byte]
      } else if kind != .control, let spaces {
        text = text.withUnsafeBufferPointer { spaces.normalize($0) }
      }
      table.append(text, isSpecial: kind == .control || kind == .unknown)
    }
    return table
  }
}
