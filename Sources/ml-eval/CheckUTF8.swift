import Tokenization
import ToolSupport

/// Refuses text that is not UTF-8, by its first such byte.
func checkUTF8(_ bytes: [UInt8], path: String) throws {
  if let offset = bytes.withUnsafeBufferPointer(UTF8Text.firstIllFormed) {
    throw ToolError("\(path): byte \(offset + 1) is not UTF-8")
  }
}
