import CKernels
import COpenBLAS
import Glibc

/// What to tell a user where OpenBLAS does not know the processor, such as version 0.3.21 on a newer
/// Xeon, and multiplies without AVX: several times slower than it could. Nil elsewhere, and where the
/// environment has chosen or oneDNN multiplies.
public func adviceOnBLAS() -> String? {
  #if OneDNN
    return nil
  #else
    guard getenv("OPENBLAS_CORETYPE") == nil else { return nil }
    let kernels = String(cString: openblas_get_corename())
    return adviceOnBLAS(kernels: kernels, vectorBits: Int(ml_vector_bits()))
  #endif
}

/// - Parameters:
///   - kernels: OpenBLAS's name for what it multiplies with.
///   - vectorBits: of the processor's vectors.
public func adviceOnBLAS(kernels: String, vectorBits: Int) -> String? {
  let old = ["Atom", "Barcelona", "Core2", "Dunnington", "Nehalem", "Penryn", "Prescott"]
  guard old.contains(kernels), vectorBits >= 256 else { return nil }
  return "OpenBLAS does not know this processor and takes its \(kernels) kernels: "
    + "OPENBLAS_CORETYPE=\(vectorBits >= 512 ? "SkylakeX" : "Haswell") is several times faster"
}
