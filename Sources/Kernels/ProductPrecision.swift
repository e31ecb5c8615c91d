#if OneDNN
  import COneDNN
#endif

/// What the factors of a product with a frozen weight are rounded to; its sums are float32.
public enum ProductPrecision: String, Sendable, CaseIterable {
  case f32
  /// By oneDNN, in a build with the package's trait OneDNN, on a processor that multiplies bf16.
  case bf16

  /// Why there are no such products here; nil where there are.
  public var obstacle: String? {
    guard self == .bf16 else { return nil }
    #if OneDNN
      // Elsewhere oneDNN emulates the instruction, many times slower than float32.
      let needed = dnnl_cpu_isa_avx512_core_bf16.rawValue
      let has = dnnl_get_effective_cpu_isa().rawValue & needed == needed
      return has ? nil : "this processor has no avx512_bf16"
    #else
      return "built without oneDNN: swift build --traits OneDNN"
    #endif
  }
}
