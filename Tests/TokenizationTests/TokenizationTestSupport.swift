import Glibc
import Safetensors
import TestSupport
import Tokenization
import Weights
import XCTest

extension JSONValue {
  var ids: [Int32]? { arrayValue?.compactMap { $0.intValue.map { Int32($0) } } }
}

/// The arrays of a GGUF's tokenizer.
struct Vocabulary {
  var tokens: [String]
  var merges: [String]
  var types: [Int]
  var preTokenizer: String

  func tokenizer() throws -> BytePairTokenizer {
    try BytePairTokenizer(
      tokens: tokens, merges: merges, tokenTypes: types, preTokenizer: preTokenizer)
  }

  static func smolLM2() throws -> Vocabulary {
    let file = try GGUFFile(
      path: cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    func value(_ key: String) throws -> GGUFValue {
      try XCTUnwrap(file.metadata["tokenizer.ggml." + key])
    }
    return Vocabulary(
      tokens: try XCTUnwrap(value("tokens").stringsValue),
      merges: try XCTUnwrap(value("merges").stringsValue),
      types: try XCTUnwrap(value("token_type").intsValue),
      preTokenizer: try XCTUnwrap(value("pre").stringValue))
  }

  /// All bytes and a few merges, among them chains and ties; two special tokens.
  static func small() -> Vocabulary {
    let merges = [
      "a a", "Ġ a", "aa aa", "b a", "Ġ Ġ", "a b", "aaaa aaaa", "ĠĠ ĠĠ", "ab ab", "ba b", "1 2",
      "! !", "Ċ Ċ", "Ã ©", "Ġa b",
    ]
    var tokens = byteSpellings
    for merge in merges {
      let token = merge.split(separator: " ").joined()
      if !tokens.contains(token) { tokens.append(token) }
    }
    let types = [Int](repeating: 1, count: tokens.count) + [3, 4]
    return Vocabulary(
      tokens: tokens + ["<|end|>", "<user>"], merges: merges, types: types,
      preTokenizer: "smollm")
  }
}

/// GPT-2's spelling of the 256 bytes, written down independently of the module.
let byteSpellings: [String] = {
  var next: UInt32 = 256
  return (0..<256).map { byte in
    let printable =
      (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
    if printable { return String(Unicode.Scalar(UInt8(byte))) }
    defer { next += 1 }
    return String(Unicode.Scalar(next)!)
  }
}()

/// A string of scalars from the blocks where tokenizers go wrong.
func randomText(_ generator: inout SplitMix64, length: Int) -> String {
  let blocks: [ClosedRange<UInt32>] = [
    0x20...0x7e, 0x61...0x62, 0x30...0x39, 0x20...0x20, 0x00...0x20, 0x80...0x24f, 0x2000...0x206f,
    0x370...0x5ff, 0x900...0xdff, 0x3000...0x30ff, 0x4e00...0x4fff, 0xd7a0...0xd7a3,
    0xfe00...0xffff, 0x1d400...0x1d7ff, 0x1f300...0x1f6ff, 0x10ff00...0x10ffff,
  ]
  var text = String.UnicodeScalarView()
  while text.count < length {
    let block = blocks.randomElement(using: &generator)!
    for _ in 0..<Int.random(in: 1...6, using: &generator) {
      if let scalar = Unicode.Scalar(UInt32.random(in: block, using: &generator)) {
        text.append(scalar)
      }
    }
    let extra = ["'s", "'ll", "'", " ", "  ", "\r\n", "<|end|>", "12", "aaaa"]
    if Int.random(in: 0..<4, using: &generator) == 0 {
      text.append(contentsOf: extra.randomElement(using: &generator)!.unicodeScalars)
    }
  }
  return String(text)
}

/// Fails unless `body` takes less than three times the processor's time for `twice`, which is `once` two
/// times. A busy machine gets a second and a third chance.
func assertLinear<Input>(
  _ name: String, _ once: Input, _ twice: Input, line: UInt = #line, _ body: (Input) -> Void
) {
  func seconds(_ input: Input) -> Double {
    var (start, end) = (timespec(), timespec())
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
    body(input)
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
    return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
  }
  body(once)
  var ratio = Double.infinity
  for _ in 0..<3 where ratio >= 3 {
    let short = (0..<3).map { _ in seconds(once) }.min()!
    let long = (0..<3).map { _ in seconds(twice) }.min()!
    ratio = long / short
  }
  XCTAssertLessThan(ratio, 3, name, line: line)
}
