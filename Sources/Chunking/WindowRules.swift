/// The windows of the published evaluation: which spans of a document are read, and in what pieces.
public struct WindowRules: Equatable, Sendable {
  /// Above this filter length the published evaluation takes a document's first window only.
  private static let longestManyWindowed = 32768

  /// Tokens of a window, and from one window's start to the next one's.
  public var length: Int
  public var stride: Int
  /// The window's last tokens are one segment; what is before them is read in segments of
  /// `prefillTokens`.
  public var lastContext: Int
  public var prefillTokens: Int
  /// Documents of fewer tokens are left out.
  public var filterLength: Int

  public init(length: Int, stride: Int, lastContext: Int, prefillTokens: Int, filterLength: Int) {
    precondition(length > 0 && stride > 0 && lastContext > 0 && prefillTokens > 0)
    self.length = length
    self.stride = stride
    self.lastContext = lastContext
    self.prefillTokens = prefillTokens
    self.filterLength = filterLength
  }

  /// Where the windows of a document of `tokens` tokens start. As published, a window that fits
  /// exactly up to the document's end is not among them.
  public func starts(of tokens: Int) -> [Int] {
    guard tokens >= filterLength else { return [] }
    let all = Swift.stride(from: 0, to: tokens - length, by: stride)
    return filterLength > Self.longestManyWindowed ? Array(all.prefix(1)) : Array(all)
  }

  /// The segments of a window, in order; only the last of those before `lastContext` may be short.
  public var segments: [Range<Int>] {
    let before = max(0, length - lastContext)
    let starts = Array(Swift.stride(from: 0, to: before, by: prefillTokens))
    return starts.map { $0..<min($0 + prefillTokens, before) } + [before..<length]
  }

  /// The longest segment in whole chunks of `chunkTokens`.
  public func segmentTokens(chunkTokens: Int) -> Int {
    let longest = segments.map(\.count).max() ?? length
    return (longest + chunkTokens - 1) / chunkTokens * chunkTokens
  }
}
