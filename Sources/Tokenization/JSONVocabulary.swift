import Safetensors

/// The vocabulary of a tokenizer.json's model with the added tokens.
struct JSONVocabulary {
  let list: TokenList
  private let idOfAdded: [[UInt8]: Int32]

  init(_ model: JSONComponent, _ addedTokens: [JSONAddedToken]) throws {
    let pairs = try Self.pairs(model)
    let limit = 2 * (pairs.count + addedTokens.count) + 1024
    guard limit <= 1 << 24 else { throw model.refusal("has \(pairs.count) tokens") }
    var tokens = [String](repeating: "", count: pairs.count)
    var kinds = [TokenList.Kind](repeating: .normal, count: pairs.count)
    var isInModel = [Bool](repeating: false, count: pairs.count)
    func place(_ token: String, _ id: Int, _ kind: TokenList.Kind, isOfModel: Bool) throws {
      guard (0..<limit).contains(id) else {
        throw TokenizerError("token \(token.debugDescription) has the id \(id) of \(pairs.count)")
      }
      let missing = max(id + 1 - tokens.count, 0)
      tokens += repeatElement("", count: missing)
      kinds += repeatElement(.normal, count: missing)
      isInModel += repeatElement(false, count: missing)
      guard tokens[id].isEmpty else {
        throw TokenizerError(
          "id \(id) is of \(tokens[id].debugDescription) and of \(token.debugDescription)")
      }
      tokens[id] = token
      kinds[id] = kind
      isInModel[id] = isOfModel
    }
    for (token, id) in pairs { try place(token, id, .normal, isOfModel: true) }
    let idOfModel = Dictionary(
      pairs.map { (Array($0.0.utf8), Int32(truncatingIfNeeded: $0.1)) }, uniquingKeysWith: { $1 })
    var idOfAdded: [[UInt8]: Int32] = [:]
    for token in addedTokens {
      let kind = token.isSpecial ? TokenList.Kind.control : .userDefined
      let key = Array(token.content.utf8)
      if let id = idOfModel[key] ?? idOfAdded[key] {
        kinds[Int(id)] = kind
        idOfAdded[key] = id
      } else {
        try place(token.content, token.id, kind, isOfModel: false)
        idOfAdded[key] = Int32(token.id)
      }
    }
    self.idOfAdded = idOfAdded
    list = try TokenList(tokens, kinds: kinds) { isInModel[$0] }
  }

  /// The id of an added token: the model's own, where it has the token too.
  func id(of token: JSONAddedToken) -> Int32 { idOfAdded[Array(token.content.utf8)]! }

  func id(_ token: String) -> Int32? {
    if let id = idOfAdded[Array(token.utf8)] { return id }
    let id = list.id(token.utf8)
    return id < 0 ? nil : id
  }

  /// `vocab`, in the file's order.
  static func pairs(_ model: JSONComponent) throws -> [(String, Int)] {
    guard let pairs = model["vocab"]?.arrayValue else { throw model.refusal("has no vocab") }
    return try pairs.map { pair in
      guard let pair = pair.arrayValue, pair.count == 2, let token = pair[0].stringValue,
        let id = pair[1].intValue
      else { throw model.refusal("has a vocab that is no table of ids") }
      return (token, id)
    }
  }

  /// `merges`: `"left right"`, or `["left", "right"]`.
  static func merges(_ model: JSONComponent) throws -> [TokenMerge] {
    guard let merges = model["merges"]?.arrayValue else { throw model.refusal("has no merges") }
    return try merges.enumerated().map { rank, merge in
      let sides =
        merge.arrayValue?.compactMap(\.stringValue)
        ?? merge.stringValue?.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        .map { String($0) ?? "" } ?? []
      guard sides.count == 2 else { throw model.refusal("has a merge \(rank) that is no pair") }
      return TokenMerge(left: sides[0], right: sides[1])
    }
  }
}
