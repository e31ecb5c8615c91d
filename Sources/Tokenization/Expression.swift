import COniguruma

/// A regular expression as Oniguruma reads it, which is what Hugging Face's tokenizers match with.
final class Expression: @unchecked Sendable {
  // Sendable because a search does not change the compiled expression.
  private let compiled: OnigRegex

  /// nil when the pattern is no expression.
  init?(_ pattern: String) {
    var pattern = pattern
    guard
      let compiled = pattern.withUTF8({ expression_open($0.baseAddress, $0.count) })
    else { return nil }
    self.compiled = compiled
  }

  deinit { onig_free(compiled) }

  /// Calls `body` for the matches in UTF-8 text, first to last. An empty match right behind
  /// another one is passed over. Where a match takes too long to find, the rest of the text has none.
  func matches(
    in text: UnsafeBufferPointer<UInt8>, body: (Range<Int>) -> Void
  ) {
    guard let base = text.baseAddress else { return }
    let region = onig_region_new()
    let limits = onig_new_match_param()
    defer {
      onig_region_free(region, 1)
      onig_free_match_param(limits)
    }
    onig_initialize_match_param(limits)
    // Steps back, of the whole search: a text of ordinary length takes a few per byte.
    let steps = UInt(1 << 20 + 64 * text.count)
    onig_set_retry_limit_in_search_of_match_param(limits, steps)
    let end = base + text.count
    var position = 0
    var last = -1
    while position <= text.count {
      let found = onig_search_with_param(
        compiled, base, end, base + position, end, region, OnigOptionType(ONIG_OPTION_NONE), limits)
      guard found >= 0, let region else { return }
      let match = Int(region.pointee.beg[0])..<Int(region.pointee.end[0])
      if match.isEmpty && match.lowerBound == last {
        position += position < text.count ? UTF8Text.scalar(base, at: position).length : 1
        continue
      }
      body(match)
      position = match.upperBound
      last = position
    }
  }
}
