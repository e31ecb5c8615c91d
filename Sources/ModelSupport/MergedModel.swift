import FilePaths
import Glibc
import Modeling
import Safetensors
import ShardIO
import ToolSupport

/// The number format of a merged model's tensors.
public enum MergedPrecision: String, CaseIterable, Sendable {
  case bf16, f32

  var elementType: ElementType { self == .bf16 ? .BF16 : .F32 }
  var torchName: String { self == .bf16 ? "bfloat16" : "float32" }
}

extension LoadedModel {
  /// The files of a model folder that are not weights and go along unchanged.
  private static let companions = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "generation_config.json", "vocab.json", "merges.txt",
  ]

  /// Writes the model with its adapters folded in as a Hugging Face folder.
  ///
  /// The weights come last, so a folder that has them is whole.
  /// config.json also has the memory's published fields where the adapter has them.
  ///
  /// - Returns: the names of the tokenizer's files that went along.
  /// - Throws: `ToolError` naming the file that could not be written.
  public func writeMerged(folder: String, precision: MergedPrecision) throws -> [String] {
    guard mkdir(folder, 0o777) == 0 || errno == EEXIST else { throw ToolError.system(folder) }
    guard !isSame(folder, files.path) else {
      throw ToolError("\(folder): is the base model, which a merged one must not overwrite")
    }
    var copied: [String] = []
    for name in Self.companions where access(files.path + "/" + name, R_OK) == 0 {
      try copy(files.path + "/" + name, folder + "/" + name)
      copied.append(name)
    }
    let config = try OutputFile(folder + "/config.json", isBinary: false)
    try config.write(JSONValue.object(mergedConfiguration(precision)).prettyEncoded + "\n")
    try config.commit()
    try writeWeights(folder + "/model.safetensors", precision)
    return copied
  }

  private func isSame(_ one: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_ino == second.st_ino
      && first.st_dev == second.st_dev
  }

  private func mergedConfiguration(_ precision: MergedPrecision) -> [String: JSONValue] {
    var config = files.configuration.objectValue ?? [:]
    config["torch_dtype"] = .string(precision.torchName)
    if decoder.trainedEmbedding != nil { config["tie_word_embeddings"] = .bool(false) }
    return config.merging(decoder.memory?.published ?? [:]) { _, new in new }
  }

  private func copy(_ source: String, _ target: String) throws {
    let input = try InputFile(source, isBinary: false)
    let output = try OutputFile(target, isBinary: false)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    try buffer.withUnsafeMutableBytes { bytes in
      while case let count = try input.read(into: bytes), count > 0 {
        try output.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
      }
    }
    try output.commit()
  }

  private func writeWeights(_ path: String, _ precision: MergedPrecision) throws {
    let views = try decoder.exportedWeights()
    let output = try OutputFile(path)
    let header = SafetensorsHeader.encode(
      metadata: ["format": "pt"],
      tensors: views.map { ($0.name, precision.elementType, $0.shape) })
    try header.withUnsafeBytes { try output.write($0) }
    for view in views {
      for start in stride(from: 0, to: view.rows, by: 1024) {
        try view.withRows(start..<min(start + 1024, view.rows)) { values in
          switch precision {
          case .f32: try output.write(UnsafeRawBufferPointer(values))
          case .bf16: try bfloat16(values).withUnsafeBytes { try output.write($0) }
          }
        }
      }
    }
    try output.commit()
  }
}
