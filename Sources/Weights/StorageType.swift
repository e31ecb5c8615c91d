/// How a tensor's numbers lie in its file. Block layouts are ggml's (ggml-common.h): a block covers
/// `blockSize` consecutive columns of one row.
public enum StorageType: String, Sendable, CaseIterable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  /// f16 scale d, 32 signed bytes q: x = d·q.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q8_0 = "Q8_0"  // ggml's own names
  /// f16 scale d, 16 bytes of two 4-bit numbers q: x = d·(q − 8); low halves are columns 0…15.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q4_0 = "Q4_0"
  /// f16 scale d, f16 minimum m, 16 bytes as in Q4_0: x = d·q + m.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q4_1 = "Q4_1"
  /// As Q4_0 with a fifth bit for each column in 4 bytes: x = d·(q − 16).
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q5_0 = "Q5_0"
  /// As Q4_1 with a fifth bit for each column in 4 bytes.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q5_1 = "Q5_1"
  // Super-blocks of 256 columns whose parts have quantised scales: see KQuantExpansion.swift.
  case q2_K = "Q2_K"
  case q3_K = "Q3_K"
  case q4_K = "Q4_K"
  case q5_K = "Q5_K"
  case q6_K = "Q6_K"

  /// Elements in a block.
  public var blockSize: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
    }
  }

  public var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8_0: 34
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q2_K: 84
    case .q3_K: 110
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    }
  }
}
