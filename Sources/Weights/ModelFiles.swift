import Safetensors

/// A model on disk: configuration in Hugging Face's config.json vocabulary and tensors under
/// Hugging Face's names, whatever the files are.
public struct ModelFiles: Sendable {
  /// The path it was opened from.
  public let path: String
  /// The file's name without `.gguf`, or the folder's name.
  public let name: String
  /// config.json, or a GGUF's metadata translated to its keys.
  public let configuration: JSONValue
  /// The tensors that can be expanded. Prefer `tensor(_:shape:)`, which says what is wrong.
  public let tensors: [String: StoredTensor]
  /// The GGUF the model came from, for its tokenizer; nil for a folder.
  public let gguf: GGUFFile?

  /// Tensors of types that cannot be expanded, with their type's name.
  private let refused: [String: String]
  /// All files whose bytes make the model: config.json first, weights by name.
  private let files: [MappedFile]

  /// Opens a `.gguf` file (llama, qwen2, phi3 or gemma architecture), or a folder with config.json and
  /// model.safetensors or pytorch_model.bin, each whole or in parts that its `.index.json` lists.
  /// - Throws: `WeightsError`, one line.
  public static func open(path: String) throws -> ModelFiles {
    try isFolder(path) ? ModelFiles(folder: path) : ModelFiles(gguf: path)
  }

  private init(gguf path: String) throws {
    let gguf = try GGUFFile(path: path)
    let translation = try GGUFTranslation(gguf)
    self.path = path
    let base = modelName(path)
    name = base.hasSuffix(".gguf") ? String(base.dropLast(5)) : base
    configuration = try translation.configuration()
    (tensors, refused) = try translation.tensors()
    self.gguf = gguf
    files = [gguf.file]
  }

  private init(folder path: String) throws {
    let config = try MappedFile(path: path + "/config.json")
    configuration = try parseJSONObject(config)
    let weights = try openWeights(folder: path)
    var owners: [String: String] = [:]
    var tensors: [String: StoredTensor] = [:]
    var refused: [String: String] = [:]
    for table in weights {
      for name in table.names {
        if let other = owners.updateValue(baseName(table.file.path), forKey: name) {
          throw WeightsError(
            path, "tensor \(name) is in both \(other) and \(baseName(table.file.path))")
        }
      }
      tensors.merge(table.tensors) { first, _ in first }
      refused.merge(table.refused) { first, _ in first }
    }
    self.path = path
    name = modelName(path)
    self.tensors = tensors
    self.refused = refused
    gguf = nil
    files = [config] + weights.map(\.file)
  }

  /// The tensor of this name, checked to have this shape if one is given.
  /// - Throws: when it is missing, of a type that cannot be expanded, or of another shape.
  public func tensor(_ name: String, shape: [Int]? = nil) throws -> StoredTensor {
    guard let tensor = tensors[name] else { throw WeightsError(path, whyUnavailable(name)) }
    if let shape, tensor.shape != shape {
      throw WeightsError(path, "tensor \(name) has shape \(tensor.shape), expected \(shape)")
    }
    return tensor
  }

  /// What is wrong with a tensor that `tensors` lacks.
  public func whyUnavailable(_ name: String) -> String {
    guard let type = refused[name] else { return "tensor \(name) is missing" }
    return "tensor \(name) is stored as \(type); supported are \(supportedStorage)"
  }

  /// Refuses a model with numbers of a type that cannot be expanded, for a reader that looks tensors up
  /// by several names. Integers (position ids) are no weights.
  public func requireReadableWeights() throws {
    let integers: Set<String> = ["I64", "I32", "I16", "I8", "U8", "BOOL"]
    if let name = refused.filter({ !integers.contains($0.value) }).keys.min() {
      throw WeightsError(path, whyUnavailable(name))
    }
  }

  /// Bytes of all files that make the model.
  public var byteCount: Int { files.reduce(0) { $0 + $1.count } }

  /// The model's identity, 16 hexadecimal digits. Every byte counts, so the same name with other
  /// weights is another model; where the files lie does not.
  ///
  /// One file: its XXH64, as `xxhsum -H1` prints it. A folder: XXH64 of the XXH64s (little-endian)
  /// of config.json and the weight files in order of name. It reads every page of the model, which
  /// the run is about to do anyway: about 0.1 s per GB once in the page cache. Compute it once.
  public var digest: String {
    let hashes = files.map { $0.withBytes { contentHash($0) } }
    guard hashes.count > 1 else { return hexadecimal(hashes[0]) }
    return hashes.map(\.littleEndian).withUnsafeBytes { hexadecimal(contentHash($0)) }
  }
}
