import Modeling
import Safetensors
import ToolSupport
import Weights

/// A decoder with the adapters it was asked to wear, and the names of all of them.
public struct LoadedModel {
  /// A file's or folder's name and digest.
  public struct Identity: Sendable, Equatable {
    public var name: String
    public var digest: String
  }

  /// What a run names as its model, and as the adapter that it wears.
  public struct Names: Sendable, Equatable {
    public let model: Identity
    public let adapter: Identity?

    /// Reads all files for their digests.
    ///
    /// - Parameter folder: the adapter's.
    public init(_ files: ModelFiles, adapter folder: String?) throws {
      model = Identity(name: files.name, digest: files.digest)
      adapter = try folder.map {
        Identity(
          name: $0.split(separator: "/").last.map(String.init) ?? $0,
          digest: try Adapter.digest(folder: $0))
      }
    }
  }

  /// The folder inside an adapter that holds the adapter it stands on; and, in config.json, its digest.
  public static let foundationFolder = "base_adapter"

  public let decoder: Decoder
  public let files: ModelFiles
  private let names: Names

  public var model: Identity { names.model }
  public var adapter: Identity? { names.adapter }

  /// Opens a model and applies an adapter folder, the adapters it stands on first.
  ///
  /// - Parameter memory: the memory's configuration for a decoder of so many layers, nil without one.
  public init(
    path: String, adapter folder: String?, memory: (Int) throws -> MemoryConfiguration?,
    residency: WeightResidency, threads: Int
  ) throws {
    try self.init(
      ModelOutline(path: ModelName(path), memory: memory), adapter: folder, residency: residency,
      compute: Compute(threads: threads))
  }

  /// Loads an opened model and applies an adapter folder, the adapters it stands on first.
  ///
  /// - Parameters:
  ///   - lowest: the first layer that will be run.
  ///   - names: where they are known already.
  public init(
    _ outline: ModelOutline, adapter folder: String?, residency: WeightResidency,
    from lowest: Int = 0, compute: Compute, names: Names? = nil
  ) throws {
    files = outline.files
    decoder = try Decoder(
      files: files, memory: outline.memory, residency: residency, from: lowest,
      compute: compute)
    decoder.memoryStore = .filed()
    if let folder { try Self.apply(folder, to: decoder) }
    self.names = try names ?? Names(files, adapter: folder)
  }

  /// The memory configuration in an adapter's config.json, nil where it has none.
  public static func memory(ofAdapter folder: String) throws -> MemoryConfiguration? {
    guard let json = try Adapter.readExtra("config.json", folder: folder), json["mem_layer"] != nil
    else { return nil }
    return try naming(folder + "/config.json") { try MemoryConfiguration(published: json) }
  }

  /// What an adapter was trained beside, by its config.json. One without a memory says nothing of it; one
  /// with a memory and no context was trained on segments alone.
  public static func context(
    ofAdapter folder: String
  ) throws -> (isTrained: Bool, context: SlidingContext?) {
    guard let json = try Adapter.readExtra("config.json", folder: folder), json["mem_layer"] != nil
    else { return (false, nil) }
    return (true, try naming(folder + "/config.json") { try SlidingContext(published: json) })
  }

  /// The adapter that `folder`'s stands on, as its config.json names it by digest.
  ///
  /// - Throws: `ModelError` when another one is there.
  static func foundation(of folder: String) throws -> String? {
    guard let config = try Adapter.readExtra("config.json", folder: folder),
      let digest = config[foundationFolder]?.stringValue
    else { return nil }
    let foundation = folder + "/" + foundationFolder
    let found = try Adapter.digest(folder: foundation)
    guard found == digest else {
      throw ModelError("\(foundation): digest \(found), but the adapter stands on \(digest)")
    }
    return foundation
  }

  private static func apply(_ folder: String, to decoder: Decoder) throws {
    if let foundation = try foundation(of: folder) { try apply(foundation, to: decoder) }
    try Adapter.checkSeal(folder: folder)
    let adapter = try Adapter.read(folder: folder)
    let tensors = try adapter.tensors.sorted { $0.key < $1.key }.map { name, tensor in
      guard name.hasPrefix(Adapter.prefix) else {
        throw ModelError("\(folder): tensor \(name) is not a PEFT adapter's")
      }
      return AdapterTensor(
        name: String(name.dropFirst(Adapter.prefix.count)), shape: tensor.shape,
        values: tensor.values)
    }
    let stored = try LoRAConfiguration(adapter.configuration, path: folder)
    try naming(folder) {
      try decoder.apply(
        try AdapterConfiguration(peft: stored), tensors: tensors, layers: stored.layersToTransform)
    }
    decoder.mergeAdapters()
  }
}
