import Safetensors

/// A model on disk: configuration in Hugging Face's config.json vocabulary and tensors under
/// Hugging Face's names, whatever the files are.
public struct ModelFiles: Sendable {
  /// The path it was opened from.
  public let path: String
  /// The file's name without `.gguf`, or the folder's name.
  public let name: String
  /// config.json, or a GGUF's metadata translated to its keys.
  public private(set) var configuration: JSONValue
  /// The tensors that can be expanded. Prefer `tensor(_:shape:)`, which says what is wrong.
  public let tensors: [String: StoredTensor]
  /// The GGUF the model came from, for its tokenizer; nil for a folder.
  public let gguf: GGUFFile?

  /// Tensors of types that cannot be expanded, with their type's name.
  private let refused: [String: String]
  /// All files whose bytes make the model: config.json first, weights by name.
  private let files: [MappedFile]

  /// Opens a `.gguf` file (llama architecture), or a folder with config.json and model.safetensors
  /// or model.safetensors.index.json.
  /// - Throws: `WeightsError`, one line.
  public static func open(path: String) throws -> ModelFiles {
    try isFolder(path) ? ModelFiles(folder: path) : ModelFiles(gguf: path)
  }

  private init(gguf path: String) throws {
    let gguf = try GGUFFile(path: path)
    let llama = try LlamaTranslation(gguf)
    self.path = path
    let base = baseName(path)
    name = base.hasSuffix(".gguf") ? String(base.dropLast(5)) : base
    configuration = try llama.configuration()
    (tensors, refused) = try llama.tensors()
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
    for file in weights {
      for entry in file.entries {
        if let other = owners.updateValue(baseName(file.path), forKey: entry.name) {
          throw WeightsError(
            path, "tensor \(entry.name) is in both \(other) and \(baseName(file.path))")
        }
        if let tensor = try file.expandable(entry) {
          tensors[entry.name] = tensor
        } else {
          refused[entry.name] = entry.type.rawValue
        }
      }
    }
    self.path = path
    name = baseName(path)
    self.tensors = tensors
    self.refused = refused
    gguf = nil
    files = [config] + weights.map(\.file)
  }

  /// The tensor of this name, checked to have this shape if one is given.
  /// - Throws: when it is missing, of a type that cannot be expanded, or of another shape.
  public func tensor(_ name: String, shape: [Int]? = nil) throws -> StoredTensor {
    guard let tensor = tensors[name] else {
      if let type = refused[name] {
        throw WeightsError(
          path, "tensor \(name) is stored as \(type); supported are \(supportedStorage)")
      }
      throw WeightsError(path, "no tensor \(name)")
    }
    if let shape, tensor.shape != shape {
      throw WeightsError(path, "tensor \(name) has shape \(tensor.shape), expected \(shape)")
    }
    return tensor
  }

  /// The same files with another value of a field of config.json; the digest stays.
  public func setting(_ field: String, to value: JSONValue) -> ModelFiles {
    var result = self
    var fields = configuration.objectValue ?? [:]
    fields[field] = value
    result.configuration = .object(fields)
    return result
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
