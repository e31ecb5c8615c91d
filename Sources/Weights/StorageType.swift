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

  /// Elements in a block.
  public var blockSize: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0, .q4_1: 32
    }
  }

  public var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8_0: 34
    case .q4_0: 18
    case .q4_1: 20
    }
  }
}
