/// The pre-tokenizer of a tokenizer.json.
struct JSONPreTokenizer {
  private(set) var steps: [PreTokenizationStep] = []
  /// The well-known rule that the steps are equal to.
  private(set) var rule: PreTokenizer.Rule?
  /// Text is spelt by bytes afterwards.
  private(set) var isByteLevel = false
  /// Of a byte-level one: pieces get a space before them.
  private(set) var addsSpace = false
  /// What stands for a space, and where it is put before the text.
  private(set) var mark: (bytes: [UInt8], scheme: SpaceMark.Scheme)?

  private enum Item: Equatable {
    case byteLevel(prefix: Bool, splits: Bool)
    case digits(individual: Bool)
    case split(JSONPattern, PieceSplit.Behavior, inverts: Bool)
    case spaceMark([UInt8], SpaceMark.Scheme, splits: Bool)
  }

  /// - Parameter replacesSpaces: the text that comes has no space.
  init(_ component: JSONComponent?, replacesSpaces: Bool) throws {
    guard let component else { return }
    for (member, item) in try Self.items(component) {
      if isByteLevel { throw member.refusal("after \"ByteLevel\" is not supported") }
      if case .split(.text([0x20]), _, false) = item, replacesSpaces { continue }
      try add(item, member)
    }
    rule = Self.rule(of: try Self.items(component).map(\.1))
    if let rule { steps = [.scan(PreTokenizer(rule))] }
  }

  private mutating func add(_ item: Item, _ member: JSONComponent) throws {
    switch item {
    case .byteLevel(let prefix, let splits):
      isByteLevel = true
      addsSpace = prefix
      if prefix { steps.append(.prefixSpace) }
      if splits { steps.append(.scan(PreTokenizer(.gpt2))) }
    case .digits(let individual):
      steps.append(.split(PieceSplit(.number, individual ? .isolated : .contiguous)))
    case .split(let pattern, let behavior, let inverts):
      steps.append(
        .split(PieceSplit(try member.compiled(pattern), behavior, inverts: inverts)))
    case .spaceMark(let bytes, let scheme, let splits):
      mark = (bytes, scheme)
      steps.append(.spaceMark(SpaceMark(bytes: bytes), scheme, splits: splits))
    }
  }

  private static func rule(of items: [Item]) -> PreTokenizer.Rule? {
    if items == [.byteLevel(prefix: false, splits: true)] { return .gpt2 }
    if items == [.digits(individual: true), .byteLevel(prefix: false, splits: true)] {
      return .smollm
    }
    guard items.count == 2, items[1] == .byteLevel(prefix: false, splits: false),
      case .split(.expression(let source), .isolated, false) = items[0]
    else { return nil }
    return PreTokenizer.Rule.allCases.first { $0.expression == source }
  }

  private static func items(_ component: JSONComponent) throws -> [(JSONComponent, Item)] {
    switch component.type {
    case "Sequence": return try component.members("pretokenizers").flatMap(items)
    case "ByteLevel":
      let item = Item.byteLevel(
        prefix: try component.flag("add_prefix_space", or: true),
        splits: try component.flag("use_regex", or: true))
      return [(component, item)]
    case "Digits":
      return [
        (component, .digits(individual: try component.flag("individual_digits", or: false)))
      ]
    case "Split":
      let name = try component.text("behavior", or: "")
      guard let behavior = PieceSplit.Behavior(rawValue: name) else {
        throw component.refusal("has the behavior \"\(name)\", which is not supported")
      }
      let inverts = try component.flag("invert", or: false)
      return [(component, .split(try component.pattern(), behavior, inverts: inverts))]
    case "Metaspace": return [(component, try spaceMark(component))]
    default: throw component.refusal()
    }
  }

  private static func spaceMark(_ component: JSONComponent) throws -> Item {
    let replacement = try component.text("replacement", or: "\u{2581}")
    guard !replacement.isEmpty else { throw component.refusal("has no replacement") }
    // Files of old say add_prefix_space in place of prepend_scheme.
    let adds = try component.flag("add_prefix_space", or: true)
    let name = try component.text("prepend_scheme", or: adds ? "always" : "never")
    guard let scheme = SpaceMark.Scheme(rawValue: name) else {
      throw component.refusal("has the prepend_scheme \"\(name)\", which is not supported")
    }
    return .spaceMark(
      Array(replacement.utf8), scheme, splits: try component.flag("split", or: true))
  }
}
