import FilePaths
import Glibc
import Safetensors

/// A PEFT LoRA adapter: adapter_config.json and adapter_model.safetensors in a folder, as `peft`
/// reads and writes them.
///
/// Tensor names are PEFT's: `base_model.model.` before the model's own name, and `.lora_A.weight`
/// [r, in] or `.lora_B.weight` [out, r] for a module's `.weight`. Whole trained weights (norms,
/// `modules_to_save`) keep the module's own ending.
public struct Adapter: Sendable {
  /// A tensor in memory, row-major.
  public struct Tensor: Equatable, Sendable {
    public var shape: [Int]
    public var values: [Float]

    public init(shape: [Int], values: [Float]) {
      precondition(elementCount(shape) == values.count, "\(values.count) values for \(shape)")
      self.shape = shape
      self.values = values
    }
  }

  /// adapter_config.json. `LoRAConfiguration` makes one and reads one.
  public var configuration: JSONValue
  public var tensors: [String: Tensor]

  public static let configurationFile = "adapter_config.json"
  public static let weightsFile = "adapter_model.safetensors"
  /// What PEFT puts before every name of the base model.
  public static let prefix = "base_model.model."

  public init(configuration: JSONValue, tensors: [String: Tensor] = [:]) {
    self.configuration = configuration
    self.tensors = tensors
  }

  /// PEFT's name for LoRA factor `A` or `B` of the module whose weight is `weight`:
  /// `model.norm.weight` → `base_model.model.model.norm.lora_A.weight`.
  public static func factorName(_ factor: String, of weight: String) -> String {
    let module = weight.hasSuffix(".weight") ? String(weight.dropLast(7)) : weight
    return "\(prefix)\(module).lora_\(factor).weight"
  }

  /// PEFT's name for a weight that is trained whole.
  public static func wholeName(of weight: String) -> String { prefix + weight }

  // MARK: Reading

  /// - Throws: `WeightsError` for a missing or malformed file, or a tensor that is not F32, F16 or
  ///   BF16 (all are given as float32).
  public static func read(folder: String) throws -> Adapter {
    let configuration = try parseJSONObject(
      MappedFile(path: folder + "/" + configurationFile))
    let file = try MappedSafetensors(path: folder + "/" + weightsFile)
    var tensors: [String: Tensor] = [:]
    for entry in file.entries {
      let stored = try file.tensor(entry.name)
      tensors[entry.name] = Tensor(shape: stored.shape, values: stored.floats())
    }
    return Adapter(configuration: configuration, tensors: tensors)
  }

  /// An extra file of an adapter folder as a JSON object, such as config.json; nil when absent.
  public static func readExtra(_ name: String, folder: String) throws -> JSONValue? {
    let path = folder + "/" + name
    guard access(path, F_OK) == 0 else { return nil }
    return try parseJSONObject(MappedFile(path: path))
  }

  /// The identity of an adapter folder: XXH64 of the XXH64s of its two files, 16 hex digits.
  public static func digest(folder: String) throws -> String {
    let hashes = try [configurationFile, weightsFile].map {
      try MappedFile(path: folder + "/" + $0).withBytes { contentHash($0).littleEndian }
    }
    return hashes.withUnsafeBytes { hexadecimal(contentHash($0)) }
  }

  // MARK: Writing

  /// Writes the folder: complete or not at all, whatever is interrupted.
  ///
  /// An adapter already there is replaced in one step; files of it that this one does not write
  /// (a log, checkpoints) stay. Tensors are F32, sorted by name, so equal adapters are equal bytes.
  /// - Parameter extraFiles: further files by their path in the folder, such as config.json.
  /// - Throws: `WeightsError` when writing fails, or when the path holds something else than an
  ///   adapter or an empty folder.
  public func write(folder: String, extraFiles: [String: [UInt8]] = [:]) throws {
    let own = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.content) })
    let files = extraFiles.merging(own) { _, own in own }
    try replaceFolder(folder, with: files, marker: Self.configurationFile)
  }

  /// Says before a long run what `write` would only say after it.
  /// - Throws: `WeightsError` where the folder cannot be made, or holds something else.
  public static func checkWritable(folder: String) throws {
    try checkReplaceable(folder, marker: configurationFile)
  }

  /// The two files that make an adapter.
  var files: [(name: String, content: [UInt8])] {
    [
      // Without the last newline: PEFT's own bytes.
      (Self.configurationFile, Array(configuration.prettyEncoded.utf8.dropLast())),
      (Self.weightsFile, weightBytes()),
    ]
  }

  private func weightBytes() -> [UInt8] {
    var file = SafetensorsFile(metadata: ["format": "pt"])
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      file.add(name, .F32, tensor.shape, tensor.values)
    }
    return file.bytes
  }
}
