import Safetensors

/// The published protocol: windows of a document, of which only the last tokens are scored.
public struct WindowProtocol: Equatable, Sendable {
  /// Tokens of a window, and from one window's start to the next one's.
  public var length: Int
  public var stride: Int
  /// Tokens of a window's last segment, and of those that are read before it.
  public var lastContext: Int
  public var prefillTokens: Int
  /// Documents of fewer tokens were left out.
  public var filterLength: Int
  /// Whether documents begin with the beginning-of-text token.
  public var bos: Bool

  public init(
    length: Int, stride: Int, lastContext: Int, prefillTokens: Int, filterLength: Int, bos: Bool
  ) {
    precondition(length > 0 && stride > 0 && lastContext > 0)
    self.length = length
    self.stride = stride
    self.lastContext = lastContext
    self.prefillTokens = prefillTokens
    self.filterLength = filterLength
    self.bos = bos
  }

  /// The first token of a window with a label: labels before the last context, and before what
  /// earlier windows cover, are masked.
  public var firstLabelled: Int { length - min(length, stride, lastContext) }

  /// The first token that is scored: a window's first token has a label, but nothing predicts it.
  public var firstScored: Int { max(1, firstLabelled) }

  /// Where window `index` of a document starts in it.
  public func start(of index: Int) -> Int { index * stride }
}

/// Numbers the windows of each document as they go by, those of a document one after the other.
public struct WindowPlaces: Sendable {
  private var current: (window: Int, origin: Int)?
  /// Of the window that was entered last, in its document.
  public private(set) var index = 0

  public init() {}

  /// - Returns: whether the window is another one than before.
  public mutating func enter(window: Int, of origin: Int) -> Bool {
    guard current?.window != window else { return false }
    index = current?.origin == origin ? index + 1 : 0
    current = (window, origin)
    return true
  }
}

extension WindowProtocol {
  var json: JSONValue {
    .object([
      "window": .integer(Int64(length)), "stride": .integer(Int64(stride)),
      "last_context": .integer(Int64(lastContext)),
      "prefill_tokens": .integer(Int64(prefillTokens)),
      "filter_length": .integer(Int64(filterLength)), "bos": .bool(bos),
    ])
  }

  init(fields: FieldReader) throws {
    let range = 1...Int(Int32.max)
    self.init(
      length: try fields.integer("window", in: range),
      stride: try fields.integer("stride", in: range),
      lastContext: try fields.integer("last_context", in: range),
      prefillTokens: try fields.integer("prefill_tokens", in: range),
      filterLength: try fields.integer("filter_length", in: range),
      bos: try fields.boolean("bos"))
  }
}
